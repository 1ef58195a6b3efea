// One side of a search: its rows in search order, their int8 codes, and what the bounds need to know of each row.
#pragma once
#include <cstdint>

#include "core/aligned.hpp"
#include "core/vector.hpp"
#include "knn/knn.hpp"
#include "knn/knn_cells.hpp"
#include "knn/knn_centres.hpp"

namespace tamis {

constexpr double kFloatSlack = 2e-6;  // what float32 centring, mixing and projecting may lose, per unit of norm
// What a rounded row lost at most, `also` included.
inline float lost_of(const KnnRounded& rounded, double also) {
  return static_cast<float>((static_cast<double>(rounded.lost) + also) * 1.00001 + 1e-30);
}

struct KnnPlan {
  KnnMetric metric = KnnMetric::squared_distance;
  Vector<double> mean;   // (d,), zeros for inner products
  double gain = 1;       // brings centred rows to a size float32 squares hold
  bool codes = false;    // else floats
  bool ordered = false;  // near rows beside each other, so that bounds get tight early
  // What the first filter sees of a row, besides the norm of the rest: none, the whole row; else
  Vector<float> basis;  // its coordinates in (d, inside) orthonormal columns, or
  int64_t leading = 0;  // so many of its mixed coordinates

  bool has_prefix() const { return !basis.empty() || leading > 0; }
  int64_t inside() const { return basis.empty() ? leading : basis.size() / mean.size(); }
};

struct KnnCodes {
  int64_t width = 0, padded = 0;  // coordinates, bytes of a row (a multiple of 64); 0: none
  float step = 0;
  Aligned<uint8_t> bytes;
  const uint8_t* mapped = nullptr;  // or those of a file
  Vector<int32_t> sum, squares;
  Vector<float> lost;        // per row
  Vector<float> block_lost;  // largest of each block

  const uint8_t* row(int64_t i) const { return (mapped != nullptr ? mapped : bytes.get()) + i * padded; }
  void prepare(int64_t n, int64_t coordinates);
  void permute(const Vector<int64_t>& order);
};

// Cells of nearby rows, and bisection by 2-means of each of them into panels; a query walks to where it would be.
struct KnnTree {
  struct Node {
    int64_t begin, end;
    int64_t left = -1, right = -1;  // nodes
    double split = 0;
    Vector<float> direction;
  };
  KnnCells cells;
  Vector<Node> nodes;                                         // first those of the cells, or of all rows
  int64_t place_of(const uint8_t* code, int64_t cell) const;  // a position
  Vector<int64_t> cell_ends() const;                          // positions, ascending, from 0 on
};
KnnTree order_codes(const KnnCodes& codes, const KnnCodeKernels& kernels, Vector<int64_t>& order);

struct KnnTable {
  KnnRows rows;
  Vector<int64_t> order;  // position -> row
  Vector<int64_t> cells;  // positions at which one begins, and n; none: no cells
  Vector<float> norm;     // |z| by position
  Vector<float> block_norm;
  KnnCodes full, prefix;
  KnnCentres centres;    // by the first codes, of a table in order
  double rest_mean = 0;  // of the norm outside the basis

  int64_t n() const { return rows.n; }
  int64_t blocks() const { return (rows.n + kKnnBlock - 1) / kKnnBlock; }
  int64_t block_size(int64_t block) const;
  const KnnCodes& first(const KnnPlan& plan) const { return plan.has_prefix() ? prefix : full; }

  void measure(const KnnPlan& plan, int32_t bias);  // code steps from a sample of the rows
  void measure_like(const KnnTable& other);         // or those of the other side
  void encode(const KnnPlan& plan, int32_t bias);   // in row order
  // By what lies together; the tree is handed out for queries.
  void reorder(const KnnPlan& plan, const KnnCodeKernels& kernels, KnnTree* tree);
  // As another table's tree says.
  void reorder_by(const KnnPlan& plan, const KnnCodeKernels& kernels, const KnnTree& tree, Vector<int64_t>& place);
  void finish(const KnnPlan& plan, const KnnCodeKernels& kernels);  // block maxima, centres
  void drop_codes() { full = KnnCodes(), prefix = KnnCodes(), centres = KnnCentres(); }

 private:
  void permute(const KnnPlan& plan);
  void encode_rows(const KnnPlan& plan, int32_t bias, int64_t begin, int64_t end);
};

}  // namespace tamis
