// What all rooms share, without Python: threads and what a binding checks.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/check.hpp"
#include "core/parallel.hpp"

namespace {

struct Column {
  std::vector<int64_t> values;
  const int64_t* data = values.data();
  int64_t size() const { return static_cast<int64_t>(values.size()); }
  int64_t operator[](int64_t i) const { return data[i]; }
};

std::atomic<bool> stopped{false};

}  // namespace

TEST_CASE("every place is worked on once, whatever the threads") {
  for (const int threads : {1, 2, 5}) {
    tamis::set_num_threads(threads);
    std::vector<int> seen(1003);
    tamis::parallel_for(1003, 10, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
    });
    CHECK(seen == std::vector<int>(1003, 1));
  }
  tamis::set_num_threads(0);
}

TEST_CASE("an exception of a thread reaches the caller") {
  const auto fail = [](int64_t begin, int64_t) {
    if (begin == 70) throw std::runtime_error("row 70");
  };
  CHECK_THROWS_WITH_AS(tamis::parallel_for(100, 10, fail), "row 70", std::runtime_error);
}

TEST_CASE("work stops where the poll says so") {
  tamis::set_interrupt_poll([] { return stopped.load(); });
  const auto wait = [](int64_t, int64_t) {
    stopped = true;
    while (true) tamis::check_interrupt();
  };
  CHECK_THROWS_AS(tamis::parallel_for(4, 1, wait), tamis::Interrupted);
  stopped = false;
  tamis::set_interrupt_poll(nullptr);
}

TEST_CASE("offsets lie inside of what they lead to") {
  const auto check = [](std::vector<int64_t> given) { tamis::check_splits("f", Column{std::move(given)}, 6); };
  CHECK_NOTHROW(check({0, 2, 2, 6}));
  for (const std::vector<int64_t>& bad : {std::vector<int64_t>{}, {0, 2, 7}, {0, 7, 6}, {-1, 6}, {1, 6}, {0, 5}})
    CHECK_THROWS_AS(check(bad), std::invalid_argument);
}

TEST_CASE("indices lie inside of what they lead to") {
  const auto check = [](int64_t value, int64_t least) { tamis::check_indices("f", Column{{0, value, 2}}, 6, least); };
  CHECK_NOTHROW(check(5, 0));
  CHECK_NOTHROW(check(-1, -1));
  CHECK_THROWS_WITH_AS(check(6, 0), "f: values must be 0 to 5", std::invalid_argument);
  for (const int64_t bad : {int64_t{-1}, INT64_MIN, INT64_MAX}) CHECK_THROWS_AS(check(bad, 0), std::invalid_argument);
}
