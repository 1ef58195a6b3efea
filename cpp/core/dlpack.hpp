// The DLPack 1.3 ABI (github.com/dmlc/dlpack), the part array.hpp reads.
#pragma once
#include <cstdint>

namespace tamis::dlpack {

enum DeviceType : int32_t { kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13 };
enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBool = 6 };
constexpr uint64_t kReadOnly = 1;

struct Device {
  int32_t type;
  int32_t id;
};
struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: C-contiguous
  uint64_t byte_offset;
};
struct Managed {  // capsule "dltensor"
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
struct ManagedVersioned {  // capsule "dltensor_versioned"
  uint32_t major, minor;
  void* context;
  void (*deleter)(ManagedVersioned*);
  uint64_t flags;
  Tensor tensor;
};
struct Exchange {  // capsule "dlpack_exchange_api" of a type: its arrays are read without a call into Python
  uint32_t major, minor;
  Exchange* older;
  int (*allocate)(Tensor*, ManagedVersioned**, void*, void (*)(void*, const char*, const char*));
  int (*managed_from_object)(void*, ManagedVersioned**);
  int (*managed_to_object)(ManagedVersioned*, void**);
  int (*tensor_from_object)(void*, Tensor*);  // borrowed from the object; may be null
};

}  // namespace tamis::dlpack
