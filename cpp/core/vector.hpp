// std::vector with int64_t sizes and places, as everything here counts; no more checks and no less speed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <vector>

namespace tamis {

template <class T>
class Vector : public std::vector<T> {
  using Base = std::vector<T>;

 public:
  Vector() = default;
  explicit Vector(int64_t n) : Base(static_cast<size_t>(n)) {}
  Vector(int64_t n, const T& value) : Base(static_cast<size_t>(n), value) {}
  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  Vector(It begin, It end) : Base(begin, end) {}
  Vector(std::initializer_list<T> values) : Base(values) {}

  int64_t size() const { return static_cast<int64_t>(Base::size()); }
  T& operator[](int64_t i) { return Base::operator[](static_cast<size_t>(i)); }
  const T& operator[](int64_t i) const { return Base::operator[](static_cast<size_t>(i)); }
  void resize(int64_t n) { Base::resize(static_cast<size_t>(n)); }
  void resize(int64_t n, const T& value) { Base::resize(static_cast<size_t>(n), value); }
  void assign(int64_t n, const T& value) { Base::assign(static_cast<size_t>(n), value); }
  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  void assign(It begin, It end) {
    Base::assign(begin, end);
  }
  void reserve(int64_t n) { Base::reserve(static_cast<size_t>(n)); }
};

template <class T>
void append(Vector<T>& to, const Vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace tamis
