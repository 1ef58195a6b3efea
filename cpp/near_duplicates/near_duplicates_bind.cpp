#include "core/array.hpp"
#include "core/check.hpp"
#include "near_duplicates/near_duplicates.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

void greedy_keep(View<const int64_t, 2> pairs, View<uint8_t, 1> keep) {
  TAMIS_CHECK(pairs.shape[1] == 2, "greedy_keep: pairs must have shape (P, 2)");
  tamis::check_indices("greedy_keep: pairs", pairs, keep.size());
  const py::gil_scoped_release release;
  tamis::greedy_keep(pairs.data, pairs.shape[0], keep.data);
}

void group_pairs(View<const int64_t, 2> pairs, View<int64_t, 1> group) {
  TAMIS_CHECK(pairs.shape[1] == 2, "group_pairs: pairs must have shape (P, 2)");
  tamis::check_indices("group_pairs: pairs", pairs, group.size());
  const py::gil_scoped_release release;
  tamis::group_pairs(pairs.data, pairs.shape[0], group.size(), group.data);
}

void nearest_kept(View<const int64_t, 2> pairs, View<const double, 1> keys, View<const uint8_t, 1> keep,
                  View<int64_t, 1> kept, View<double, 1> apart) {
  TAMIS_CHECK(
      pairs.shape == (std::array{keys.size(), int64_t{2}}) && kept.size() == keep.size() && apart.size() == keep.size(),
      "nearest_kept: shapes differ");
  tamis::check_indices("nearest_kept: pairs", pairs, keep.size());
  const py::gil_scoped_release release;
  tamis::nearest_kept(pairs.data, keys.data, keys.size(), keep.data, kept.data, apart.data);
}

}  // namespace

void bind_near_duplicates(py::module_& m) {
  m.def("greedy_keep", &greedy_keep);
  m.def("group_pairs", &group_pairs);
  m.def("nearest_kept", &nearest_kept);
}
