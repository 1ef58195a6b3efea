#include "duplicates/duplicates_shapes.hpp"

#include <cmath>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "duplicates/duplicates_shapes_math.hpp"

namespace tamis::duplicates {
namespace {

using host::DuplicateBox;

constexpr int64_t kManyRuns = 1 << 14;  // of masks: some microseconds

template <class T>
class Boxes : public Shapes {
 public:
  Boxes(const BoxRows<T>& boxes, const uint8_t* crowd) : Shapes(crowd), boxes_(boxes) {}

  DuplicateBox bounds(int64_t row) const override {
    return host::load_duplicate_box(boxes_.data + 4 * (first_ + row), boxes_.format, crowd(row));
  }
  double iou(int64_t first, int64_t later) const override { return host::duplicate_iou(bounds(first), bounds(later)); }
  bool are_boxes() const override { return true; }

 private:
  const BoxRows<T> boxes_;
};

template <class T>
class RotatedBoxes : public Shapes {
 public:
  RotatedBoxes(const RotatedRows<T>& boxes, const uint8_t* crowd) : Shapes(crowd), data_(boxes.data) {}

  void open(int64_t first, int64_t n) override {
    Shapes::open(first, n);
    boxes_.clear();
    for (int64_t i = first; i < first + n; ++i) boxes_.push_back(host::load_rotated_box(data_ + 5 * i));
  }
  DuplicateBox bounds(int64_t row) const override {  // a little wider, whatever is lost in rounding
    const host::RotatedBox& b = boxes_[row];
    const double x = b.reach_x * (1 + 1e-9), y = b.reach_y * (1 + 1e-9);
    return {std::nextafter(b.x - x, -INFINITY),
            std::nextafter(b.y - y, -INFINITY),
            std::nextafter(b.x + x, INFINITY),
            std::nextafter(b.y + y, INFINITY),
            4 * b.half_w * b.half_h,
            crowd(row),
            false};
  }
  double iou(int64_t first, int64_t later) const override {
    return host::duplicate_iou(boxes_[first], boxes_[later], crowd(first));
  }

 private:
  const T* data_;
  Vector<host::RotatedBox> boxes_;
};

class MaskRows : public Shapes {
 public:
  MaskRows(const Masks& masks, const uint8_t* crowd) : Shapes(crowd), masks_(masks) {}

  void open(int64_t first, int64_t n) override {
    Shapes::open(first, n);
    ends_.resize(masks_.splits[first + n] - masks_.splits[first]);  // at least a character a run
    runs_.clear();
    uint32_t* to = ends_.data();
    for (int64_t i = first; i < first + n; ++i) {
      host::Runs runs{};
      runs.height = masks_.size[2 * i];
      runs.width = masks_.size[2 * i + 1];
      const int64_t used =
          host::read_runs(masks_.text + masks_.splits[i], masks_.text + masks_.splits[i + 1], to, &runs);
      TAMIS_CHECK(used >= 0, "find_duplicate_boxes: a mask is cut short");
      host::measure(&runs);
      if (used > kManyRuns) check_interrupt();
      runs_.push_back(runs);
      to += used;
    }
  }
  DuplicateBox bounds(int64_t row) const override {  // the walk over a mask with empty runs may end early: not bounded
    const host::Runs& m = runs_[row];
    return {m.box[0], m.box[1], m.box[0] + m.box[2], m.box[1] + m.box[3], double(m.area), crowd(row), !m.regular};
  }
  double iou(int64_t first, int64_t later) const override {
    const host::Runs &a = runs_[first], &b = runs_[later];
    if (a.n + b.n > kManyRuns) check_interrupt();
    return host::duplicate_iou(a, b, crowd(first), -1);
  }

 private:
  const Masks masks_;
  Vector<uint32_t> ends_;
  Vector<host::Runs> runs_;
};

struct Make {
  const uint8_t* crowd;
  template <class T>
  std::unique_ptr<Shapes> operator()(const BoxRows<T>& boxes) const {
    return std::make_unique<Boxes<T>>(boxes, crowd);
  }
  template <class T>
  std::unique_ptr<Shapes> operator()(const RotatedRows<T>& boxes) const {
    return std::make_unique<RotatedBoxes<T>>(boxes, crowd);
  }
  std::unique_ptr<Shapes> operator()(const Masks& masks) const { return std::make_unique<MaskRows>(masks, crowd); }
};

}  // namespace

std::unique_ptr<Shapes> make_shapes(const DuplicateProblem& problem) {
  return std::visit(Make{problem.crowd}, problem.rows);
}

}  // namespace tamis::duplicates
