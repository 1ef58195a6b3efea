#include "core/array.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace py = pybind11;

namespace tamis {
namespace {

bool contiguous(const std::vector<int64_t>& shape, const int64_t* strides) {
  if (strides == nullptr || std::count(shape.begin(), shape.end(), 0) > 0) return true;
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

// A struct-module or typestr code ("f", "<f4", "=d", "?") as a DLPack type; sizes come from the exporter.
std::optional<dlpack::DataType> parse_format(const char* format, int64_t item_size) {
  if (format == nullptr) format = "B";
  if (*format == '<' || *format == '=' || *format == '@' || *format == '|') ++format;
  const auto type = [&](dlpack::TypeCode code) { return dlpack::DataType{uint8_t(code), uint8_t(8 * item_size), 1}; };
  if (*format == '\0' || item_size > 8) return std::nullopt;
  if (std::strchr("?", *format)) return type(dlpack::kBool);
  if (std::strchr("fd", *format)) return type(dlpack::kFloat);
  if (std::strchr("bhilqn", *format)) return type(dlpack::kInt);
  if (std::strchr("BHILQNu", *format)) return type(dlpack::kUInt);
  return std::nullopt;
}

// How arrays of that type are read without a call into Python (DLPack 1.3), or null.
const dlpack::Exchange* exchange_of(py::handle source) {
  static PyObject* const name = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
  const auto type = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(Py_TYPE(source.ptr())));
  const auto capsule = py::reinterpret_steal<py::object>(PyObject_GetAttr(type.ptr(), name));
  if (!capsule) PyErr_Clear();
  if (!capsule || !PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api")) return nullptr;
  const auto* found = static_cast<const dlpack::Exchange*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  return found->major == 1 && found->tensor_from_object != nullptr ? found : nullptr;
}

}  // namespace

bool Exported::open(py::handle source, bool writable) {
  release();
  if (!source || source.is_none()) return false;
  if (PyObject_CheckBuffer(source.ptr()) && open_buffer(source, writable)) return true;
  release();  // and go on: arrays of CuPy 14 have a buffer that raises
  if (const dlpack::Exchange* exchange = exchange_of(source)) return open_exchange(*exchange, source);
  try {
    if (py::hasattr(source, "__dlpack__")) return open_dlpack(source, writable);
    if (py::hasattr(source, "__cuda_array_interface__")) return open_cuda_interface(source, writable);
  } catch (py::error_already_set&) {
    return false;  // an exporter that refuses is one that does not match
  }
  return false;
}

bool Exported::open_buffer(py::handle source, bool writable) {
  const int flags = PyBUF_FORMAT | PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(source.ptr(), &buffer_, flags) != 0) {
    PyErr_Clear();
    return false;
  }
  has_buffer_ = true;
  const auto type = parse_format(buffer_.format, buffer_.itemsize);
  if (!type || !PyBuffer_IsContiguous(&buffer_, 'C')) return false;
  dtype = *type;
  data = buffer_.buf;
  on_device = false;
  shape.assign(buffer_.shape, buffer_.shape + buffer_.ndim);
  return true;
}

bool Exported::open_exchange(const dlpack::Exchange& exchange, py::handle source) {
  dlpack::Tensor tensor;  // lives as long as the caller's array
  if (exchange.tensor_from_object(source.ptr(), &tensor) == 0) return take(tensor);
  PyErr_Clear();
  return false;
}

bool Exported::open_dlpack(py::handle source, bool writable) {
  // Callers run on the exporter's current stream, so a device array needs no wait: stream -1.
  const auto device = source.attr("__dlpack_device__")().cast<std::pair<int32_t, int32_t>>();
  py::object stream = py::none();
  if (device.first == dlpack::kCuda || device.first == dlpack::kCudaManaged) stream = py::int_(-1);
  py::object capsule;
  try {
    capsule = source.attr("__dlpack__")(py::arg("stream") = stream, py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    capsule = source.attr("__dlpack__")(py::arg("stream") = stream);  // an exporter from before DLPack 1.0
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
    auto* held = static_cast<dlpack::ManagedVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    if (held->major != 1) return false;
    PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
    versioned_ = held;
    return !(writable && (held->flags & dlpack::kReadOnly)) && take(held->tensor);
  }
  if (!PyCapsule_IsValid(capsule.ptr(), "dltensor")) return false;
  managed_ = static_cast<dlpack::Managed*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  return take(managed_->tensor);
}

bool Exported::take(const dlpack::Tensor& tensor) {
  const int32_t device = tensor.device.type;
  on_device = device == dlpack::kCuda || device == dlpack::kCudaManaged;
  if (!on_device && device != dlpack::kCpu && device != dlpack::kCudaHost) return false;
  dtype = tensor.dtype;
  shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  return contiguous(shape, tensor.strides);
}

bool Exported::open_cuda_interface(py::handle source, bool writable) {
  const py::dict info = source.attr("__cuda_array_interface__");
  const auto typestr = info["typestr"].cast<std::string>();
  const auto address = info["data"].cast<std::pair<uintptr_t, bool>>();
  if (typestr.size() < 3 || (writable && address.second)) return false;
  if (info.contains("strides") && !info["strides"].is_none()) return false;  // None: C-contiguous
  const int64_t item_size = std::stoll(typestr.substr(2));
  const char kind = typestr[1] == 'i' ? 'l' : typestr[1] == 'b' ? '?' : typestr[1];
  const auto type = parse_format(std::string(1, kind).c_str(), item_size);
  if (!type || typestr[0] == '>') return false;
  dtype = *type;
  data = reinterpret_cast<void*>(address.first);
  on_device = true;
  shape = info["shape"].cast<std::vector<int64_t>>();
  return true;
}

void Exported::release() {
  if (has_buffer_) PyBuffer_Release(&buffer_);
  if (managed_ != nullptr && managed_->deleter != nullptr) managed_->deleter(managed_);
  if (versioned_ != nullptr && versioned_->deleter != nullptr) versioned_->deleter(versioned_);
  has_buffer_ = false;
  managed_ = nullptr;
  versioned_ = nullptr;
}

}  // namespace tamis
