// A bounding tree over the boxes of one image and label. Which boxes stand together changes the time, never a result.
#pragma once
#include <cmath>
#include <cstdint>

#include "core/vector.hpp"
#include "duplicates/duplicates_shapes.hpp"

namespace tamis::duplicates {

using host::DuplicateBounds;
using host::DuplicateBox;
using host::Over;

constexpr int64_t kNone = INT64_MAX;

struct Item {
  DuplicateBox box;
  int64_t row;    // within the image, ascending order decides which box is the first
  int64_t key;    // what a search looks for the least of, kNone: it is passed over
  int64_t pairs;  // greedy: boxes over the threshold
};

struct Node {
  DuplicateBounds bounds;
  int64_t begin, end;                 // its items
  int64_t right;                      // the right child; the left one follows its parent. 0: a leaf
  int64_t key;                        // least key
  int64_t most_pairs, most_at, owed;  // greedy; see duplicates_greedy.cpp
};

class Tree {
 public:
  Tree(double threshold, const Shapes& shapes)
      : threshold_(threshold),
        cut_(threshold < 0 ? NAN : host::kSlack * threshold),
        shapes_(shapes.are_boxes() ? nullptr : &shapes) {}

  Vector<Item> items;  // fill, then build()
  Vector<Node> nodes;  // preorder, 0 is the root

  int64_t size() const { return items.size(); }
  void build();
  void set_keys();  // of the nodes, from those of the items

  // The least key below `bound` of a box that is over the threshold with `of`; else `bound`.
  int64_t first(const Item& of, int64_t bound) const;
  // How many boxes are over the threshold with items[at].
  int64_t count(int64_t at) const;
  // The places of the boxes that have a key and are over the threshold with `of`; they lose their keys.
  void drain(const Item& of, Vector<int64_t>& out);

  Over over(const Node& node, const Item& of) const {
    if (nodes.size() == 1) return Over::some;  // not worth asking about a lone leaf
    const Over there = host::over_threshold(of.box, node.bounds, threshold_);
    // boxes around other shapes tell that those are apart, not that they overlap
    return there == Over::all && shapes_ != nullptr && threshold_ >= 0 ? Over::some : there;
  }
  bool over(const Item& a, const Item& b) const {
    return host::areas_may_reach(a.box, b.box, cut_) && a.row != b.row && iou(a, b) > threshold_;
  }

 private:
  double threshold_, cut_;
  const Shapes* shapes_;  // null: boxes, which the items hold

  double iou(const Item& a, const Item& b) const {
    const Item &first = a.row < b.row ? a : b, &later = a.row < b.row ? b : a;
    if (shapes_ == nullptr) return host::duplicate_iou(first.box, later.box);
    const bool apart = host::over_threshold(a.box, {b.box, b.box}, threshold_) == Over::none;
    return apart ? 0 : shapes_->iou(first.row, later.row);
  }

  void split(int64_t begin, int64_t end);
  void first_in(int64_t index, const Item& of, int64_t& best) const;
  int64_t count_in(int64_t index, int64_t at) const;
  void drain_in(int64_t index, const Item& of, Vector<int64_t>& out);
};

// Places of the boxes in the order greedy takes them; items have their `pairs`.
Vector<int64_t> take_greedily(Tree& tree);

}  // namespace tamis::duplicates
