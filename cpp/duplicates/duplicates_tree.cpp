#include "duplicates/duplicates_tree.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/vector.hpp"

namespace tamis::duplicates {
namespace {

constexpr int64_t kLeaf = 16;
constexpr int64_t kLongSplit = 1 << 16;  // items; a millisecond

DuplicateBounds bounds_of(const Item* items, int64_t n) {
  DuplicateBounds bounds{items[0].box, items[0].box};
  for (int64_t i = 1; i < n; ++i) bounds.add(items[i].box);
  return bounds;
}

template <double DuplicateBox::* number>
void halve(Item* begin, Item* middle, Item* end) {
  std::nth_element(begin, middle, end, [](const Item& a, const Item& b) { return a.box.*number < b.box.*number; });
}

// At the median of the corner that varies most.
void halve(const DuplicateBounds& bounds, Item* begin, Item* middle, Item* end) {
  const DuplicateBox &a = bounds.least, &b = bounds.most;
  const double spread[] = {b.x1 - a.x1, b.y1 - a.y1, b.x2 - a.x2, b.y2 - a.y2};
  switch (std::max_element(spread, spread + 4) - spread) {
    case 0:
      return halve<&DuplicateBox::x1>(begin, middle, end);
    case 1:
      return halve<&DuplicateBox::y1>(begin, middle, end);
    case 2:
      return halve<&DuplicateBox::x2>(begin, middle, end);
    default:
      return halve<&DuplicateBox::y2>(begin, middle, end);
  }
}

}  // namespace

void Tree::build() {
  nodes.clear();
  split(0, size());
}

void Tree::split(int64_t begin, int64_t end) {
  Item* data = items.data();
  const int64_t node = nodes.size(), middle = begin + (end - begin) / 2;
  nodes.push_back({bounds_of(data + begin, end - begin), begin, end, 0, kNone, 0, 0, 0});
  if (end - begin <= kLeaf) return;
  if (end - begin > kLongSplit) check_interrupt();
  halve(nodes.back().bounds, data + begin, data + middle, data + end);
  split(begin, middle);
  nodes[node].right = nodes.size();
  split(middle, end);
}

void Tree::set_keys() {
  for (int64_t i = nodes.size(); i-- > 0;) {  // children come after their parent
    Node& node = nodes[i];
    node.key = kNone;
    if (node.right != 0)
      node.key = std::min(nodes[i + 1].key, nodes[node.right].key);
    else
      for (int64_t p = node.begin; p < node.end; ++p) node.key = std::min(node.key, items[p].key);
  }
}

int64_t Tree::first(const Item& of, int64_t bound) const {
  first_in(0, of, bound);
  return bound;
}

void Tree::first_in(int64_t index, const Item& of, int64_t& best) const {
  const Node& node = nodes[index];
  if (node.key >= best || over(node, of) == Over::none) return;
  if (node.right == 0) {
    for (const Item *item = items.data() + node.begin, *end = items.data() + node.end; item != end; ++item)
      if (item->key < best && over(*item, of)) best = item->key;
    return;
  }
  const bool left_first = nodes[index + 1].key < nodes[node.right].key;
  first_in(left_first ? index + 1 : node.right, of, best);
  first_in(left_first ? node.right : index + 1, of, best);
}

int64_t Tree::count(int64_t at) const { return count_in(0, at); }

int64_t Tree::count_in(int64_t index, int64_t at) const {
  const Node& node = nodes[index];
  const Item& of = items[at];
  const Over there = over(node, of);
  if (there == Over::none) return 0;
  if (there == Over::all) return node.end - node.begin - (node.begin <= at && at < node.end);
  if (node.right != 0) return count_in(index + 1, at) + count_in(node.right, at);
  return std::count_if(items.begin() + node.begin, items.begin() + node.end,
                       [&](const Item& item) { return over(item, of); });
}

void Tree::drain(const Item& of, Vector<int64_t>& out) { drain_in(0, of, out); }

void Tree::drain_in(int64_t index, const Item& of, Vector<int64_t>& out) {
  Node& node = nodes[index];
  if (node.key == kNone || over(node, of) == Over::none) return;
  if (node.right != 0) {
    drain_in(index + 1, of, out);
    drain_in(node.right, of, out);
    node.key = std::min(nodes[index + 1].key, nodes[node.right].key);
    return;
  }
  node.key = kNone;
  for (int64_t p = node.begin; p < node.end; ++p) {
    Item& item = items[p];
    if (item.key != kNone && over(item, of)) {
      out.push_back(p);
      item.key = kNone;
    }
    node.key = std::min(node.key, item.key);
  }
}

}  // namespace tamis::duplicates
