// Rows of a search as bindings take them.
#pragma once
#include <optional>
#include <type_traits>

#include "core/array.hpp"
#include "core/check.hpp"
#include "knn/knn_table.hpp"

namespace tamis {

using KnnFloats = View<const float, 2>;
using KnnDoubles = View<const double, 2>;
using KnnHalves = View<const uint16_t, 2>;  // float16 by its bits
using KnnColumn = std::optional<View<const double, 1>>;

template <class Matrix>
KnnRows knn_rows(const Matrix& x, const KnnColumn& scale, const KnnColumn& offset) {
  KnnRows rows;
  if constexpr (std::is_same_v<Matrix, KnnFloats>)
    rows.f32 = x.data;
  else if constexpr (std::is_same_v<Matrix, KnnHalves>)
    rows.f16 = x.data;
  else
    rows.f64 = x.data;
  if (scale) rows.scale = scale->data;
  if (offset) rows.offset = offset->data;
  rows.n = x.shape[0];
  rows.d = x.shape[1];
  TAMIS_CHECK((!scale || scale->size() == rows.n) && (!offset || offset->size() == rows.d),
              "knn: scale and offset must fit x");
  return rows;
}

// Checked rows of an index and the plan for them.
inline KnnPlan knn_plan(const KnnRows& rows, bool dots, const View<const double, 1>& mean, double gain, bool codes,
                        bool ordered, const std::optional<KnnFloats>& basis, int64_t leading) {
  TAMIS_CHECK(mean.size() == rows.d && (!basis || basis->shape[0] == rows.d), "KnnSearch: shapes differ");
  TAMIS_CHECK(rows.d > 0 && rows.n > 0, "KnnSearch: x and queries must not be empty");
  TAMIS_CHECK((rows.scale != nullptr) == (rows.offset != nullptr),
              "KnnSearch: scales and offset must be given together");
  TAMIS_CHECK(!basis || (codes && basis->shape[1] > 0), "KnnSearch: a basis needs codes and columns");
  TAMIS_CHECK(leading == 0 || (codes && !basis && leading > 0 && leading < rows.d),
              "KnnSearch: leading coordinates need codes and no basis");
  KnnPlan plan;
  plan.metric = dots ? KnnMetric::inner_product : KnnMetric::squared_distance;
  plan.mean.assign(mean.data, mean.data + mean.size());
  plan.gain = gain;
  plan.codes = codes;
  plan.ordered = ordered;
  plan.leading = leading;
  if (basis) plan.basis.assign(basis->data, basis->data + basis->size());
  return plan;
}

}  // namespace tamis
