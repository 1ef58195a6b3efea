// What the bindings of device functions share.
#pragma once
#include "core/array.hpp"
#include "core/error.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::device {

using tamis::DeviceView;
using Bytes = DeviceView<const uint8_t, 1>;
using Ints = DeviceView<const int32_t, 1>;
using Longs = DeviceView<const int64_t, 1>;
using Numbers = DeviceView<const double, 1>;
using Splits = Longs;

// Python hands streams over as numbers.
inline cudaStream_t as_stream(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

}  // namespace tamis::device
