// What is compared: boxes, rotated boxes or masks, image by image. Rows count from the first of the image.
#pragma once
#include <memory>

#include "duplicates/duplicates.hpp"
#include "duplicates/duplicates_math.hpp"

namespace tamis::duplicates {

class Shapes {
 public:
  explicit Shapes(const uint8_t* crowd) : crowd_(crowd) {}
  virtual ~Shapes() = default;

  // The image asked about from now on.
  virtual void open(int64_t first, [[maybe_unused]] int64_t n) { first_ = first; }
  // The box around a row's shape, and the shape's own area.
  virtual host::DuplicateBox bounds(int64_t row) const = 0;
  // At most 1; with a crowd as `first` over the area of `later`.
  virtual double iou(int64_t first, int64_t later) const = 0;
  virtual bool are_boxes() const { return false; }  // the bounds are the shapes

 protected:
  bool crowd(int64_t row) const { return crowd_ != nullptr && crowd_[first_ + row] != 0; }
  int64_t first_ = 0;

 private:
  const uint8_t* crowd_;
};

std::unique_ptr<Shapes> make_shapes(const DuplicateProblem& problem);

}  // namespace tamis::duplicates
