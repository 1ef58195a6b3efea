// A search of many tasks, on all threads.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "knn/knn_fine.hpp"
#include "knn/knn_hits.hpp"
#include "knn/knn_index.hpp"

namespace tamis {

struct KnnPair {
  int64_t left, right;  // rows; in a self search left < right
  double key;
};

// Of n rows m neighbours each, -1 where there is none; some may stand there twice.
struct KnnLists {
  const double* keys;
  const int64_t* rows;
  int64_t n, m;
};
// The k nearest of them, ascending, infinity and -1 where there are fewer.
void merge_neighbours(const KnnLists& lists, int64_t k, double* keys, int64_t* rows);

template <class T>
struct KnnLine;  // limits of a block (knn_scratch.hpp)

class KnnSearch {
 public:
  // `queries.n == 0`: the rows of the index among themselves. k > 0: nearest neighbours, else all keys <= radius.
  KnnSearch(std::shared_ptr<KnnIndex> index, const KnnRows& queries, int64_t k, double radius);

  int64_t steps() const { return tasks_.size(); }
  void run();
  int64_t searched() const { return columns().n(); }
  int64_t k() const { return k_; }
  bool self() const { return queries_.rows.n == 0; }
  // Before it runs: no key of row i above limits[i] is wanted, so of some rows there may be fewer than k neighbours.
  void lower_limits(const double* limits);
  // Before it runs, of a search for neighbours among themselves: which rows have key < balls[j] to another row j?
  void set_balls(const double* balls);
  bool has_balls() const { return !ball_.empty(); }
  void write_held(uint8_t* held) const;  // (searched rows,), 1 for those
  // (searched rows, k), ascending, infinity and -1 where there is none; ends the search
  void write_neighbours(double* keys, int64_t* indices);
  int64_t n_pairs() const { return n_pairs_; }
  void write_pairs(int64_t* ends, double* keys);  // (n_pairs, 2), ascending; ends the search

  // A radius search stops once it has found more than this.
  void set_most_pairs(int64_t most) { most_pairs_ = most; }
  // The rows lie in a file that may not fit in memory.
  void set_paged() { paged_ = true; }
  // Of the pairs of a row and a panel that were asked about, how many were left out.
  double left_out() const { return asked_ > 0 ? 1 - static_cast<double>(near_) / static_cast<double>(asked_) : 0; }
  bool too_many_pairs() const { return too_many_.load(std::memory_order_relaxed); }

 private:
  struct Task {
    int64_t column_block, row_begin, row_end;
    int64_t panel_begin = 0, panel_end = kKnnPanels;  // of the columns
  };
  struct alignas(32) Row {  // what threads change together lies together
    double limit;           // no key above this is wanted; only ever lowered
    int64_t filled = 0;     // hits in its heap
    char locked = 0;
  };
  struct Scratch;
  struct Lines;  // the limits of one block on one side
  struct Side {  // one block of a pair of blocks
    const KnnTable &table, &other;
    int64_t begin, n, other_block;
    bool active;     // its rows look for neighbours
    bool is_column;  // of the tile
    double other_norm() const { return static_cast<double>(other.block_norm[other_block]); }
  };
  struct Rows {  // of a tile
    const uint8_t* codes;
    const int32_t *limit, *rest;
    int64_t n;
  };
  struct Blocks {
    Side rows, columns;
    bool diagonal;
  };
  struct Pairs {  // that survived
    const uint32_t* pair;
    int64_t n;
    bool tested;  // by the limits of now
  };

  const KnnTable& columns() const { return self() ? x_ : queries_; }
  Blocks blocks_of(int64_t row_block, int64_t column_block) const;
  double key_limit(int64_t position) const;
  void plan_tasks();
  void plan_query_tasks();
  void split_tasks();
  void seed();
  void seed_one(int64_t position, Scratch& scratch);
  void bound_above(int64_t begin, int64_t position, Scratch& scratch) const;
  void run_task(const Task& task, Scratch& scratch);
  void run_blocks(const Blocks& blocks, const Task& task, Scratch& scratch);
  bool has_reach(const Side& side) const;
  float read_reach(const Side& side, Lines& lines) const;
  // Whole rows see further apart, at a cost.
  const KnnCodes& gap_codes() const { return x_.full.padded <= 2 * x_.first(plan_).padded ? x_.full : x_.first(plan_); }
  std::atomic_ref<float> block_reach(int64_t block);
  bool are_apart(const Blocks& blocks, Scratch& scratch);
  bool find_near(const Blocks& blocks, Scratch& scratch);
  void centre_strip(const Blocks& blocks, int64_t strip, Scratch& scratch) const;
  void run_strip(const Blocks& blocks, int64_t strip, int64_t panel, Scratch& scratch);
  const KnnLine<int32_t>& first_line(const Lines& lines) const;
  int64_t tile(const Blocks& blocks, int64_t strip, int64_t rows, int64_t panel, Scratch& scratch) const;
  int64_t picked_tile(const Blocks& blocks, int64_t strip, int64_t rows, int64_t panel, Scratch& scratch) const;
  int64_t tile_of_codes(const Rows& rows, int64_t panel, Scratch& scratch) const;
  int64_t within_blocks(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& scratch) const;
  int64_t bound_again(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& scratch) const;
  void plan_fine();
  bool make_fine(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& scratch) const;
  int64_t bound_finely(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& scratch) const;
  double pair_limit(int64_t row, int64_t column) const;
  void compute_keys(const Blocks& blocks, int64_t strip, int64_t panel, const Pairs& pairs, Scratch& scratch) const;
  void ask_for_rows(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, const Scratch& scratch) const;
  void take_keys(const Blocks& blocks, int64_t strip, int64_t panel, const Pairs& pairs, Scratch& scratch);
  void take_held(const Blocks& blocks, int64_t row, int64_t column, double key);
  bool offer(int64_t position, double key, int64_t index);
  void pack_columns(const Task& task, Scratch& scratch) const;
  void set_entry(KnnLine<int32_t>& line, const KnnCodes& codes, const Side& side, int64_t i) const;
  void set_entry(KnnLine<float>& line, const Side& side, int64_t i) const;
  void set_entries(Lines& lines, const Side& side, int64_t i) const;
  void set_codes(KnnLine<int32_t>& line, const KnnCodes& codes, const KnnCodes& other, const Side& side,
                 const float* reach) const;
  void set_lines(Lines& lines, const Side& side) const;
  Scratch* borrow();
  void give_back(Scratch* scratch);

  std::shared_ptr<KnnIndex> index_;
  const KnnPlan& plan_;
  const KnnTable& x_;
  KnnTable queries_;
  int64_t k_;
  double radius_;
  KnnCodeKernels kernels_;
  Vector<int64_t> place_;  // for each query position the position of x it belongs to
  Vector<Task> tasks_;
  Vector<KnnHit> heap_;  // (searched rows, k), a max-heap each
  Vector<Row> found_;    // by position
  Vector<double> ball_;  // of each position, or empty; limits never go below it
  Vector<uint8_t> held_;
  int64_t n_pairs_ = 0, most_pairs_ = INT64_MAX;
  std::atomic<bool> too_many_{false};
  KnnCellGaps gaps_;
  Vector<float> reach_;
  std::atomic<int64_t> asked_{0}, near_{0};  // pairs of a row and a piece
  int64_t worth_asking_ = 0;
  float fine_step_ = 0;  // 0: nothing is made in 16 bits
  KnnFine fine_;         // of all rows, or empty
  bool paged_ = false, ended_ = false;
  std::mutex mutex_;
  Vector<std::unique_ptr<Scratch>> scratches_;
  Vector<Scratch*> idle_;

 public:
  ~KnnSearch();
};

}  // namespace tamis
