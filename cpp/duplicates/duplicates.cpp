#include "duplicates/duplicates.hpp"

#include <algorithm>
#include <numeric>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "duplicates/duplicates_shapes.hpp"
#include "duplicates/duplicates_tree.hpp"

namespace tamis {
namespace {

using duplicates::Item;
using duplicates::kNone;
using duplicates::Tree;

constexpr int64_t kRowsAtOnce = 1 << 14;  // of images that one thread handles
constexpr int64_t kCrowded = 1 << 13;     // boxes of an image that all threads work on
constexpr int64_t kSearchesAtOnce = 256;
constexpr int64_t kSearchesPerCheck = 8;

// The boxes of one image and label. Rows are counted from the first of the image.
struct Group {
  Tree tree;
  bool crowded = false;
  Vector<uint8_t> duplicate = {};  // by place in the tree
  Vector<int64_t> of = {};         // by place in the tree: the row a duplicate repeats

  template <class F>
  void each(const F& f) {
    const auto places = [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        if (p % kSearchesPerCheck == 0) check_interrupt();
        f(p, tree.items[p]);
      }
    };
    if (crowded)
      parallel_for(tree.size(), kSearchesAtOnce, places);
    else
      places(0, tree.size());
  }
};

// The first box over the threshold that is not a duplicate itself, else the first over the threshold.
void name_originals(Group& g) {
  for (const bool any : {false, true}) {
    for (int64_t p = 0; p < g.of.size(); ++p)
      g.tree.items[p].key = any || !g.duplicate[p] ? g.tree.items[p].row : kNone;
    g.tree.set_keys();
    g.each([&](int64_t p, const Item& item) {
      if (g.duplicate[p] && g.of[p] == kNone) g.of[p] = g.tree.first(item, kNone);
    });
  }
}

void find_simple(Group& g) {
  for (Item& item : g.tree.items) item.key = item.row;
  g.tree.set_keys();
  g.each([&](int64_t p, const Item& item) { g.duplicate[p] = g.tree.first(item, item.row) < item.row; });
}

void find_greedy(Group& g) {
  g.each([&](int64_t p, Item& item) { item.pairs = g.tree.count(p); });
  for (const int64_t p : duplicates::take_greedily(g.tree)) g.duplicate[p] = 1;
}

// Each box not reached yet floods its group; what is reached loses its key, so that nothing is reached twice.
void find_groups(Group& g, const double* scores) {
  Vector<Item>& items = g.tree.items;
  for (Item& item : items) item.key = item.row;
  g.tree.set_keys();
  Vector<int64_t> reached;
  for (int64_t start = 0; start < g.tree.size(); ++start) {
    if (items[start].key == kNone) continue;
    items[start].key = kNone;
    reached.assign(1, start);
    for (int64_t next = 0; next < reached.size(); ++next) {
      check_interrupt();
      g.tree.drain(items[reached[next]], reached);
    }
    const auto before = [&](int64_t p, int64_t q) {
      const int64_t a = items[p].row, b = items[q].row;
      return scores != nullptr && scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    };
    const int64_t stays = *std::min_element(reached.begin(), reached.end(), before);
    for (const int64_t p : reached) {
      g.duplicate[p] = p != stays;
      g.of[p] = items[stays].row;
    }
  }
}

void find_in_group(Group& g, DuplicateMethod method, const double* scores) {
  g.tree.build();
  g.duplicate.assign(g.tree.items.size(), 0);
  g.of.assign(g.tree.items.size(), kNone);
  switch (method) {
    case DuplicateMethod::simple:
      find_simple(g);
      break;
    case DuplicateMethod::greedy:
      find_greedy(g);
      break;
    case DuplicateMethod::groups:
      return find_groups(g, scores);
  }
  if (std::find(g.duplicate.begin(), g.duplicate.end(), 1) != g.duplicate.end()) name_originals(g);
}

class Search {
 public:
  explicit Search(const DuplicateProblem& problem)
      : p_(problem), shapes_(duplicates::make_shapes(problem)), group_{Tree(problem.threshold, *shapes_)} {}

  void image(int64_t image, bool crowded, Vector<Duplicate>& out) {
    const int64_t first = p_.splits[image], n = p_.splits[image + 1] - first;
    group_.crowded = crowded;
    shapes_->open(first, n);
    rows_.resize(n);
    std::iota(rows_.begin(), rows_.end(), 0);
    const int64_t* labels = p_.labels == nullptr ? nullptr : p_.labels + first;
    if (labels != nullptr)
      std::sort(rows_.begin(), rows_.end(),
                [&](int64_t a, int64_t b) { return labels[a] != labels[b] ? labels[a] < labels[b] : a < b; });
    for (int64_t begin = 0, end; begin < n; begin = end) {
      end = labels == nullptr ? n : begin + 1;
      while (end < n && labels[rows_[end]] == labels[rows_[begin]]) ++end;
      if (end - begin > 1) one_label(first, begin, end, out);
    }
  }

 private:
  void one_label(int64_t first, int64_t begin, int64_t end, Vector<Duplicate>& out) {
    Vector<Item>& items = group_.tree.items;
    items.clear();
    for (int64_t i = begin; i < end; ++i) items.push_back({shapes_->bounds(rows_[i]), rows_[i], 0, 0});
    find_in_group(group_, p_.method, p_.scores == nullptr ? nullptr : p_.scores + first);
    for (int64_t p = 0; p < items.size(); ++p) {
      const int64_t row = items[p].row, of = group_.of[p];
      if (!group_.duplicate[p] || of == kNone) continue;  // none: another thread has changed the shapes meanwhile
      out.push_back({first + row, first + of, shapes_->iou(std::min(row, of), std::max(row, of))});
    }
  }

  const DuplicateProblem& p_;
  const std::unique_ptr<duplicates::Shapes> shapes_;
  Group group_;
  Vector<int64_t> rows_;  // of the image, label by label
};

}  // namespace

Duplicates find_duplicate_boxes(const DuplicateProblem& p) {
  const int64_t* splits = p.splits;
  const int64_t n = splits[p.images];
  const auto crowded = [&](int64_t image) { return splits[image + 1] - splits[image] > kCrowded; };
  Vector<Vector<Duplicate>> runs((n + kRowsAtOnce - 1) / kRowsAtOnce);  // by an image's first row
  parallel_for(n, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    Search search(p);
    for (int64_t i = std::lower_bound(splits, splits + p.images, begin) - splits; i < p.images && splits[i] < end; ++i)
      if (!crowded(i)) search.image(i, false, runs[begin / kRowsAtOnce]);
  });
  parallel_for(1, 1, [&](int64_t, int64_t) {  // for its interrupts
    Search search(p);
    for (int64_t i = 0; i < p.images; ++i)
      if (crowded(i)) search.image(i, true, runs[splits[i] / kRowsAtOnce]);
  });
  Duplicates all;
  for (Vector<Duplicate>& run : runs) {
    std::sort(run.begin(), run.end(), [](const Duplicate& a, const Duplicate& b) { return a.row < b.row; });
    for (const Duplicate& d : run) {
      all.row.push_back(d.row);
      all.of.push_back(d.of);
      all.iou.push_back(d.iou);
    }
    run = {};
  }
  return all;
}

}  // namespace tamis
