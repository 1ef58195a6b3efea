#include <cstddef>

#include "core/array.hpp"
#include "core/error.hpp"
#include "mask_iou/mask_iou_cuda.hpp"

namespace py = pybind11;
using tamis::DeviceView;

namespace {

using Splits = DeviceView<const int64_t, 1>;
using Ends = DeviceView<int32_t, 1>;
using Table = DeviceView<uint8_t, 2>;
using tamis::host::Runs;

cudaStream_t as_stream(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

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
      [](DeviceView<const uint8_t, 1> text, Splits splits, DeviceView<const int64_t, 2> size, Ends ends, Table table,
         uintptr_t stream) {
        TAMIS_CHECK(size.size() == 2 * table.shape[0] && ends.size() == text.size(),
                    "Masks.to_device: arrays must fit");
        tamis::cuda::mask_read(reinterpret_cast<const char*>(text.data), size.data, masks(ends, splits, table),
                               as_stream(stream));
      },
      nogil);
  m.def(
      "mask_iou_batched",
      [](Ends a_ends, Splits a_text_splits, Table a_masks, Ends b_ends, Splits b_text_splits, Table b_masks,
         DeviceView<const uint8_t, 1> crowd, Splits a_splits, Splits b_splits, Splits out_splits,
         DeviceView<double, 1> out, uintptr_t stream) {
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
      nogil);
  m.def(
      "mask_decode",
      [](Ends ends, Splits splits, Table table, DeviceView<uint8_t, 2> out, uintptr_t stream) {
        TAMIS_CHECK(out.shape[0] == table.shape[0], "DeviceMasks.decode: arrays must fit");
        tamis::cuda::mask_decode(masks(ends, splits, table), out.shape[1], out.data, as_stream(stream));
      },
      nogil);
  m.attr("MASK_BYTES") = sizeof(Runs);
  m.attr("MASK_AREA") = offsetof(Runs, area);
  m.attr("MASK_BOX") = offsetof(Runs, box);
}
