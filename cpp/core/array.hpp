// The only array interop: a binding names its arguments View<const float, 2> (host) or DeviceView<const float, 2>
// (CUDA) and gets a C-contiguous array of that dtype and rank from anything that speaks the buffer protocol, DLPack
// or __cuda_array_interface__. Other dtypes, ranks or devices do not match the overload; nothing is ever copied.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/dlpack.hpp"

namespace tamis {

template <class T, int N, bool kDevice = false>
struct View {
  T* data = nullptr;
  std::array<int64_t, N> shape{};

  int64_t size() const {
    int64_t n = 1;
    for (const int64_t s : shape) n *= s;
    return n;
  }
  T& operator[](int64_t i) const { return data[i]; }
};
#if defined(TAMIS_EMULATION)
constexpr bool kEmulated = true;  // host memory stands in for that of a device
#else
constexpr bool kEmulated = false;
#endif
template <class T, int N>
using DeviceView = View<T, N, true>;

// A vector handed to NumPy without a copy.
template <class T>
pybind11::array_t<T> to_numpy(std::vector<T>&& values, std::vector<int64_t> shape = {}) {
  auto* owned = new std::vector<T>(std::move(values));
  const pybind11::capsule owner(owned, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  if (shape.empty()) shape = {static_cast<int64_t>(owned->size())};
  return pybind11::array_t<T>(std::move(shape), owned->data(), owner);
}

// What an array-like exports, kept alive and released with this object.
class Exported {
 public:
  Exported() = default;
  Exported(const Exported&) = delete;
  Exported& operator=(const Exported&) = delete;
  ~Exported() { release(); }

  bool open(pybind11::handle source, bool writable);  // false: it exports nothing usable; no error is set

  dlpack::DataType dtype{};
  bool on_device = false;
  void* data = nullptr;
  std::vector<int64_t> shape;

 private:
  bool open_buffer(pybind11::handle source, bool writable);
  bool open_exchange(const dlpack::Exchange& exchange, pybind11::handle source);
  bool open_dlpack(pybind11::handle source, bool writable);
  bool open_cuda_interface(pybind11::handle source, bool writable);
  bool take(const dlpack::Tensor& tensor);
  void release();

  Py_buffer buffer_{};
  bool has_buffer_ = false;
  dlpack::Managed* managed_ = nullptr;
  dlpack::ManagedVersioned* versioned_ = nullptr;
};

template <class T>
constexpr dlpack::DataType dtype_of() {
  using U = std::remove_const_t<T>;
  constexpr uint8_t code = std::is_same_v<U, bool>       ? dlpack::kBool
                           : std::is_floating_point_v<U> ? dlpack::kFloat
                           : std::is_signed_v<U>         ? dlpack::kInt
                                                         : dlpack::kUInt;
  return {code, uint8_t(8 * sizeof(U)), 1};
}

}  // namespace tamis

namespace pybind11::detail {

template <class T, int N, bool kDevice>
struct type_caster<tamis::View<T, N, kDevice>> {
  using Type = tamis::View<T, N, kDevice>;
  PYBIND11_TYPE_CASTER(Type, const_name("Array[") + npy_format_descriptor<std::remove_const_t<T>>::name +
                                 const_name(", ") + const_name<N>() + const_name("]"));

  bool load(handle source, bool) {
    if (!exported_.open(source, !std::is_const_v<T>)) return false;
    const tamis::dlpack::DataType want = tamis::dtype_of<T>();
    // one byte is one byte: bool, uint8 and int8 masks are read alike
    const bool same = want.bits == 8 ? exported_.dtype.bits == 8
                                     : exported_.dtype.code == want.code && exported_.dtype.bits == want.bits;
    if (!same || exported_.dtype.lanes != 1 || exported_.on_device != (kDevice && !tamis::kEmulated) ||
        exported_.shape.size() != size_t(N))
      return false;
    value.data = static_cast<T*>(exported_.data);
    for (size_t i = 0; i < size_t(N); ++i) value.shape[i] = exported_.shape[i];
    return true;
  }

 private:
  tamis::Exported exported_;
};

}  // namespace pybind11::detail
