#include "core/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/progress.hpp"

namespace tamis {
namespace {

std::atomic<int> requested_threads{0};
thread_local int thread_limit = -1;  // of this thread; below 0: that of all
std::atomic<bool (*)()> interrupt_poll{nullptr};
std::atomic<bool (*)(int64_t, int64_t)> progress_poll{nullptr};
constexpr std::chrono::milliseconds kPollEvery{50};

int usable_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

using Clock = std::chrono::steady_clock;

void poll_after(Clock::time_point& last, int64_t done, int64_t total) {
  const auto now = Clock::now();
  const auto poll = interrupt_poll.load(std::memory_order_relaxed);
  if (now - last < kPollEvery || poll == nullptr) return;
  last = now;
  if (poll()) throw Interrupted{};
  const auto tell = progress_poll.load(std::memory_order_relaxed);
  if (total > 0 && tell != nullptr && tell(done, total)) throw Interrupted{};
}

struct Job;
struct Here {  // the job that this thread is working on
  Job* job = nullptr;
  bool caller = false;
};
thread_local Here here;

struct Job {
  const int64_t n, grain;
  const std::function<void(int64_t, int64_t)>& f;
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error{};
  Clock::time_point last_poll = Clock::now();
  const int64_t told = here.job == nullptr ? n : 0;  // a loop within another tells nothing

  Job(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f) : n(n), grain(grain), f(f) {}

  bool step() {
    const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
    if (begin >= n || failed.load(std::memory_order_relaxed)) return false;
    f(begin, std::min(n, begin + grain));
    return true;
  }

  void fail() {
    const std::lock_guard lock(mutex);
    if (!error) error = std::current_exception();
    failed.store(true, std::memory_order_relaxed);
  }

  // All but one chunk that a thread may be at.
  int64_t begun_before() const {
    return std::max<int64_t>(0, std::min(n, next.load(std::memory_order_relaxed)) - grain);
  }

  // Only the calling thread may ask Python; the others see that the job has failed.
  void check(bool caller) {
    if (failed.load(std::memory_order_relaxed)) throw Interrupted{};
    if (caller) poll_after(last_poll, begun_before(), told);
  }

  void work(bool caller);
};

thread_local Clock::time_point last_poll_alone;

// glibc ends the process where a thread's first use of thread-local data, as by its first exception, finds no memory.
// So a thread sees to it that there is some, uses it at once, and does no work where there is none.
bool use_thread_data() {
  asm volatile("" : : "r"(std::uncaught_exceptions()), "r"(here.job) : "memory");
  return true;
}
bool prepare_thread() {
  constexpr size_t kEnough = 1 << 16;
  void* memory = std::malloc(kEnough);
  asm volatile("" : : "r"(memory) : "memory");  // or the compiler leaves out both calls
  std::free(memory);
  return memory != nullptr && use_thread_data();
}

void Job::work(bool caller) {
  const Here outer = here;
  here = {this, caller};
  try {
    while (step()) check(caller);
  } catch (...) {
    fail();
  }
  here = outer;
}

// Fewer than asked for where there are no more to be had: those do the work.
std::vector<std::thread> start(Job& job, int64_t helpers) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(helpers));
  try {
    for (int64_t i = 0; i < helpers; ++i)
      threads.emplace_back([&job] {
        if (prepare_thread()) job.work(false);
      });
  } catch (const std::exception&) {
    return threads;
  }
  return threads;
}

}  // namespace

int num_threads() {
  const int n = thread_limit >= 0 ? thread_limit : requested_threads.load(std::memory_order_relaxed);
  return n > 0 ? n : usable_cpus();
}

void set_num_threads(int n) { requested_threads.store(std::max(0, n), std::memory_order_relaxed); }

int set_thread_limit(int n) { return std::exchange(thread_limit, n); }

void set_progress_poll(bool (*tell)(int64_t, int64_t)) { progress_poll.store(tell, std::memory_order_relaxed); }

void set_interrupt_poll(bool (*poll)()) { interrupt_poll.store(poll, std::memory_order_relaxed); }

void check_interrupt() {
  if (here.job != nullptr)
    here.job->check(here.caller);
  else
    poll_after(last_poll_alone, 0, 0);
}

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(1, grain);
  use_thread_data();  // while there is memory
  Job job(n, grain, f);
  const int64_t helpers = std::min<int64_t>(num_threads(), (n + grain - 1) / grain) - 1;
  std::vector<std::thread> threads = start(job, helpers);
  job.work(true);
  for (auto& t : threads) t.join();
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace tamis
