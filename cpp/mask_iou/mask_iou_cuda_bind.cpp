#include <cstddef>

#include "core/cuda_bind.hpp"
#include "mask_iou/mask_iou_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Ends = DeviceView<int32_t, 1>;
using Table = DeviceView<uint8_t, 2>;
using tamis::host::Runs;

tamis::cuda::DeviceMasks masks(const Ends& ends, const Splits& splits, const Table& table) {
  const int64_t n = table.shape[0];
  TAMIS_CHECK(splits.size() == n + 1 && table.shape[1] == int64_t(sizeof(Runs)), "mask_iou: arrays must fit");
  return {reinterpret_cast<Runs*>(table.data), reinterpret_cast<uint32_t*>(ends.data), splits.data, n, ends.size()};
}

}  // namespace

void bind_mask_iou(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "mask_read",
      [](Bytes text, Splits splits, DeviceView<const int64_t, 2> size, Ends ends, Table table, uintptr_t stream) {
        TAMIS_CHECK(size.size() == 2 * table.shape[0] && ends.size() == text.size(),
                    "Masks.to_device: arrays must fit");
        tamis::cuda::mask_read(reinterpret_cast<const char*>(text.data), size.data, masks(ends, splits, table),
                               as_stream(stream));
      },
      "text"_a, "splits"_a, "size"_a, "ends"_a, "masks"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "mask_iou_batched",
      [](Ends a_ends, Splits a_text_splits, Table a_masks, Ends b_ends, Splits b_text_splits, Table b_masks,
         Bytes crowd, Splits a_splits, Splits b_splits, Splits out_splits, DeviceView<double, 1> out,
         uintptr_t stream) {
        const int64_t images = out_splits.size() - 1;
        TAMIS_CHECK(a_splits.size() == images + 1 && b_splits.size() == images + 1 &&
                        (crowd.size() == 0 || crowd.size() == b_masks.shape[0]),
                    "mask_iou: arrays must fit");
        tamis::cuda::mask_iou_batched({masks(a_ends, a_text_splits, a_masks),
                                       masks(b_ends, b_text_splits, b_masks),
                                       crowd.size() > 0 ? crowd.data : nullptr,
                                       {a_splits.data, b_splits.data, out_splits.data, images},
                                       out.size()},
                                      out.data, as_stream(stream));
      },
      py::kw_only(), "a_ends"_a, "a_text_splits"_a, "a_masks"_a, "b_ends"_a, "b_text_splits"_a, "b_masks"_a, "crowd"_a,
      "a_splits"_a, "b_splits"_a, "out_splits"_a, "out"_a, "stream"_a, nogil);
  m.def(
      "mask_decode",
      [](Ends ends, Splits splits, Table table, DeviceView<uint8_t, 2> out, uintptr_t stream) {
        TAMIS_CHECK(out.shape[0] == table.shape[0], "DeviceMasks.decode: arrays must fit");
        tamis::cuda::mask_decode(masks(ends, splits, table), out.shape[1], out.data, as_stream(stream));
      },
      "ends"_a, "splits"_a, "masks"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.attr("MASK_BYTES") = sizeof(Runs);
  m.attr("MASK_AREA") = offsetof(Runs, area);
  m.attr("MASK_BOX") = offsetof(Runs, box);
}
