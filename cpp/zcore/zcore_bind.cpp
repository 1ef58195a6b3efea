#include "core/array.hpp"
#include "core/check.hpp"
#include "zcore/zcore.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

template <class Run>
void check_draws(const Run& run, View<const int32_t, 2> dims, View<const double, 2> points) {
  TAMIS_CHECK(dims.shape == points.shape && dims.shape[1] == run.k(), "zcore: dims and points must be (S, k)");
  tamis::check_indices("zcore: dims", dims, run.d());
}

template <class T>
void bind_dtype(py::module_& m, const char* table_name, const char* run_name) {
  using Table = tamis::ZcoreTable<T>;
  using Run = tamis::ZcoreRun<T>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();

  py::class_<Table>(m, table_name)
      .def(py::init([](View<const T, 2> x, int64_t neighbours) {
             TAMIS_CHECK(x.size() > 0 && neighbours > 0, "zcore: x must not be empty");
             TAMIS_CHECK(x.shape[0] <= UINT32_MAX && x.shape[1] <= INT32_MAX, "zcore: at most 2^32 - 1 rows");
             const py::gil_scoped_release release;
             return std::make_unique<Table>(x.data, x.shape[0], x.shape[1], neighbours);
           }),
           py::keep_alive<1, 2>())  // it points into x
      .def("find_spans", &Table::find_spans, nogil)
      .def_property_readonly("bad", &Table::bad)
      .def("spans", [](const Table& t) {
        return py::make_tuple(tamis::to_numpy(std::vector(t.low())), tamis::to_numpy(std::vector(t.median())),
                              tamis::to_numpy(std::vector(t.high())));
      });

  py::class_<Run>(m, run_name)
      .def(py::init([](const Table& table, int64_t neighbours, double exponent, int64_t k) {
             TAMIS_CHECK(k > 0 && k <= table.d() && neighbours > 0, "zcore: k must be 1 to the number of columns");
             return std::make_unique<Run>(table, tamis::ZcoreRule{neighbours, exponent}, k);
           }),
           py::keep_alive<1, 2>())
      .def_property_readonly("slice", &Run::slice)
      .def(
          "add",
          [](Run& run, View<const int32_t, 2> dims, View<const double, 2> points) {
            check_draws(run, dims, points);
            run.add(dims.data, points.data, dims.shape[0]);
          },
          nogil)
      .def(
          "nearest",
          [](Run& run, View<const int32_t, 2> dims, View<const double, 2> points, View<int64_t, 1> rows) {
            check_draws(run, dims, points);
            TAMIS_CHECK(rows.size() == dims.shape[0], "zcore: rows must be as many as the draws");
            run.nearest(dims.data, points.data, dims.shape[0], rows.data);
          },
          nogil)
      .def(
          "around",
          [](Run& run, View<const int32_t, 2> dims, View<const double, 2> places, View<const int64_t, 1> own,
             View<T, 2> out) {
            check_draws(run, dims, places);
            TAMIS_CHECK(own.size() == dims.shape[0] && out.shape[0] == own.size() && out.shape[1] == run.neighbours(),
                        "zcore: own must be (S,), out (S, neighbours)");
            run.around(dims.data, places.data, own.data, dims.shape[0], out.data);
          },
          nogil)
      .def(
          "apply_penalty",
          [](Run& run, View<const int32_t, 2> dims, View<const double, 2> places, View<const int64_t, 1> own,
             View<const T, 1> limit, View<const T, 1> nearest, View<const double, 1> share,
             View<const int64_t, 1> ties) {
            check_draws(run, dims, places);
            for (const int64_t n : {own.size(), limit.size(), nearest.size(), share.size(), ties.size()})
              TAMIS_CHECK(n == dims.shape[0], "zcore: own, limit, nearest, share and ties must be (S,)");
            run.apply_penalty(dims.data, places.data, own.data, own.size(),
                              {limit.data, nearest.data, share.data, ties.data});
          },
          nogil)
      .def(
          "write",
          [](const Run& run, View<int64_t, 1> sums) {
            TAMIS_CHECK(sums.size() == run.n(), "zcore: sums must be as long as x");
            run.write(sums.data);
          },
          nogil);

  m.def(
      "zcore_settle",
      [](View<const T, 2> distances, int64_t neighbours, double exponent, View<T, 1> limit, View<T, 1> nearest,
         View<double, 1> share) {
        const int64_t draws = distances.shape[0];
        TAMIS_CHECK(neighbours > 0 && limit.size() == draws && nearest.size() == draws && share.size() == draws,
                    "zcore_settle: limit, nearest and share must be (S,), neighbours 1 or more");
        tamis::zcore_settle<T>(distances.data, draws, distances.shape[1], {neighbours, exponent}, limit.data,
                               nearest.data, share.data);
      },
      nogil);
}

}  // namespace

void bind_zcore(py::module_& m) {
  m.def("cap_zcore_log", &tamis::cap_zcore_log);
  m.attr("ZCORE_UNIT") = tamis::kZcoreUnit;
  bind_dtype<float>(m, "ZcoreTable", "ZcoreRun");
  bind_dtype<double>(m, "ZcoreTable64", "ZcoreRun64");
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "zcore_draws",
      [](View<const double, 1> low, View<const double, 1> median, View<const double, 1> high, uint64_t seed,
         int64_t first, View<int32_t, 2> dims, View<double, 2> points) {
        TAMIS_CHECK(dims.shape == points.shape && dims.shape[1] <= low.size() && median.size() == low.size() &&
                        high.size() == low.size(),
                    "zcore_draws: shapes differ");
        const tamis::ZcoreSpan span{low.data, median.data, high.data, low.size()};
        tamis::zcore_draws(span, seed, first, dims.shape[0], dims.shape[1], dims.data, points.data);
      },
      nogil);
  m.def(
      "zcore_start", [](uint64_t seed, View<double, 1> out) { tamis::zcore_start(seed, out.size(), out.data); }, nogil);
}
