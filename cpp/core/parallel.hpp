// parallel_for(n, grain, f): f(begin, end) over [0, n) in chunks of `grain`, on std::threads made for the call.
// Threads per call rather than a pool or OpenMP: a forked child (a DataLoader worker) has nothing to inherit.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>

namespace tamis {

int num_threads();            // at least 1
void set_num_threads(int n);  // 0: the CPUs this process may use (the default)
int set_thread_limit(int n);  // the same for the calling thread alone; -1: as for all. What it was before

// Chunks are assigned to threads dynamically; f must not depend on the assignment. The calling thread works too and
// polls for an interrupt between chunks: a chunk should take well under a second. The first exception is rethrown.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f);

// For work that stays long in one chunk, or that no parallel_for runs: call it every few milliseconds, on a thread of
// the job or of Python. Throws Interrupted where the work should be given up.
void check_interrupt();

// Counts the steps of a long loop, of some nanoseconds each, and asks every few milliseconds.
class Steps {
 public:
  void took(int64_t n) {
    since_check_ += n;
    if (since_check_ < kPerCheck) return;
    since_check_ = 0;
    check_interrupt();
  }

 private:
  static constexpr int64_t kPerCheck = 1 << 20;
  int64_t since_check_ = 0;
};

struct Interrupted : std::exception {};   // thrown when the poll says so
void set_interrupt_poll(bool (*poll)());  // true: stop. Called on the calling thread, at most every 50 ms
}  // namespace tamis
