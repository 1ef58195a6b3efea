#include <pybind11/stl.h>

#include "core/array.hpp"
#include "core/error.hpp"
#include "image_size/image_size.hpp"

namespace py = pybind11;
using namespace pybind11::literals;
using namespace tamis;

void bind_image_size(py::module_& m) {
  m.def(
      "read_image_sizes",
      [](const std::vector<std::string>& paths, const View<int64_t, 2>& sizes, const View<uint8_t, 1>& status) {
        const auto n = static_cast<int64_t>(paths.size());
        TAMIS_CHECK(sizes.shape[0] == n && sizes.shape[1] == 2 && status.shape[0] == n,
                    "read_image_sizes: sizes and status must have shapes (files, 2) and (files,)");
        const py::gil_scoped_release unlocked;
        read_image_sizes(paths, sizes.data, status.data);
      },
      "paths"_a, "sizes"_a, "status"_a);
}
