#include <algorithm>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "duplicates/duplicates_tree.hpp"

// The tree is a tournament too: each node knows the most pairs of its live boxes and the first box that has them. When
// a box is removed, a node whose boxes were all paired with it only records that each of them owes one pair.
namespace tamis::duplicates {
namespace {

constexpr int64_t kGone = -1;  // pairs of a box that was taken, or that has none

class Tournament {
 public:
  explicit Tournament(Tree& tree) : tree_(tree) {
    for (int64_t i = tree.nodes.size(); i-- > 0;) {
      tree.nodes[i].owed = 0;
      update(i);
    }
  }

  bool done() const { return tree_.nodes[0].most_pairs <= 0; }

  int64_t take_first() {  // the place of the box with most pairs
    const int64_t at = tree_.nodes[0].most_at;
    remove(0, at);
    lower(0, tree_.items[at], 0);
    return at;
  }

 private:
  void update(int64_t index) {
    Node& node = tree_.nodes[index];
    int64_t most = kGone, first = kNone, most_at = node.begin;
    const auto offer = [&](int64_t pairs, int64_t at) {
      const int64_t row = tree_.items[at].row;
      if (pairs > most || (pairs == most && row < first)) {
        most = pairs;
        first = row;
        most_at = at;
      }
    };
    if (node.right != 0) {
      for (const int64_t child : {index + 1, node.right}) {
        const Node& c = tree_.nodes[child];
        offer(c.most_pairs, c.most_at);
      }
    } else {
      for (int64_t p = node.begin; p < node.end; ++p) offer(tree_.items[p].pairs, p);
    }
    node.most_pairs = most - node.owed;
    node.most_at = most_at;
  }

  void remove(int64_t index, int64_t at) {
    const int64_t right = tree_.nodes[index].right;
    if (right == 0)
      tree_.items[at].pairs = kGone;
    else
      remove(at < tree_.nodes[right].begin ? index + 1 : right, at);
    update(index);
  }

  // `owed` by the nodes above. Where no live box has a pair left nothing is paired with this one.
  void lower(int64_t index, const Item& of, int64_t owed) {
    Node& node = tree_.nodes[index];
    if (node.most_pairs - owed <= 0) return;
    if (node.right == 0) {
      for (int64_t p = node.begin; p < node.end; ++p) {
        Item& item = tree_.items[p];
        if (item.pairs > 0 && tree_.over(item, of)) --item.pairs;
      }
    } else {
      const Over there = tree_.over(node, of);
      if (there == Over::none) return;
      if (there == Over::all) {
        ++node.owed;
        --node.most_pairs;
        return;
      }
      owed += node.owed;
      lower(index + 1, of, owed);
      lower(node.right, of, owed);
    }
    update(index);
  }

  Tree& tree_;
};

}  // namespace

Vector<int64_t> take_greedily(Tree& tree) {
  Vector<int64_t> taken;
  for (Tournament tournament(tree); !tournament.done(); check_interrupt()) taken.push_back(tournament.take_first());
  return taken;
}

}  // namespace tamis::duplicates
