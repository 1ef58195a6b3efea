// The threads of a block as fibers of the host: they change over at barriers, at what a warp does together and now and
// then at atomics, in any order (TAMIS_EMULATION_SEED chooses another).
//
// Built with -fsanitize=thread, a fiber is a thread to the sanitizer: two of a block that meet in shared or global
// memory without a barrier between them are reported, as compute-sanitizer's racecheck does.
#pragma once
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

namespace tamis::emulation {

struct Index {
  unsigned x = 0;
};
inline Index thread_index, block_index, grid_size, block_size;

// What a thread did before it comes to an order, others see after it.
#if defined(__SANITIZE_THREAD__)
extern "C" {
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
struct Unseen {  // the sanitizer need not see what the emulation itself does
  Unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};
inline void come_to(char& order) { __tsan_release(&order); }
inline void go_on_from(char& order) { __tsan_acquire(&order); }
inline void* this_fiber() { return __tsan_get_current_fiber(); }
inline void* new_fiber() { return __tsan_create_fiber(0); }
inline void change_to(void* fiber) { __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync); }
#else
struct Unseen {
  ~Unseen() {}
};
inline void come_to(char&) {}
inline void go_on_from(char&) {}
inline void* this_fiber() { return nullptr; }
inline void* new_fiber() { return nullptr; }
inline void change_to(void*) {}
#endif

// Numbers that choose who goes first.
class Dice {
 public:
  unsigned below(unsigned n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(static_cast<uint32_t>(state_ >> 32) * uint64_t{n} >> 32);
  }

 private:
  static uint64_t seed() {
    const char* given = std::getenv("TAMIS_EMULATION_SEED");
    return given == nullptr ? 0 : std::strtoull(given, nullptr, 10);
  }
  uint64_t state_ = seed();
};

// All of 0, ..., n - 1, by steps that meet each.
class AnyOrder {
 public:
  AnyOrder(unsigned n, Dice& dice) : n_(n), at_(dice.below(n)), step_(1 + dice.below(n)) {
    while (std::gcd(step_, n) != 1) ++step_;
  }
  unsigned next() { return at_ = static_cast<unsigned>((uint64_t{at_} + step_) % n_); }

 private:
  unsigned n_, at_, step_;
};

class Block {
 public:
  void run(unsigned threads, const std::function<void()>& kernel) {
    reserve(threads);
    kernel_ = &kernel;
    scheduler_fiber_ = this_fiber();
    come_to(between_);
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i]->waits = Waits::no;
      fibers_[i]->copies.assign(1, {});
      fibers_[i]->met[0] = fibers_[i]->met[1] = 0;
    }
    for (unsigned left = threads; left > 0;) {
      bool moved = false;
      AnyOrder order(threads, dice_);
      for (unsigned n = 0; n < threads; ++n) {
        const unsigned i = order.next();
        if (fibers_[i]->waits != Waits::no) continue;
        moved = true;
        resume(i);
        left -= fibers_[i]->waits == Waits::done;
      }
      moved |= release_warps(threads);
      if (!moved && left > 0) release_block(threads);
    }
    go_on_from(ended_);
  }

  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
  };
  std::deque<std::vector<Copy>>& copies() { return fibers_[current_]->copies; }  // the last group is not committed

  void wait_for_block() { meet(Waits::block, block_orders_); }
  void wait_for_warp() { meet(Waits::warp, fibers_[current_ / 32 * 32]->warp_orders); }
  unsigned current() const { return current_; }
  Dice& dice() { return dice_; }

  void let_others_go() {  // sometimes
    const Unseen unseen;
    if (dice_.below(4) == 0) wait(Waits::no);
  }

  // Every lane of a warp gives a value and sees those of all. Values of one such call and the next lie apart: nobody
  // is ahead by more than one. Memory is not put in order by it.
  template <class T, class F>
  auto together(const T& mine, const F& f) {
    static_assert(sizeof(T) <= kSlot);
    const Unseen unseen;
    bool& side = fibers_[current_]->side;
    side = !side;
    const auto slot = [first = current_ / 32 * 32, side](unsigned lane, Block& b) {
      return b.fibers_[first + lane % 32]->slots[side];
    };
    std::memcpy(slot(current_, *this), &mine, sizeof(T));
    wait(Waits::warp);
    return f([&](unsigned lane) {
      T value;
      std::memcpy(&value, slot(lane, *this), sizeof(T));
      return value;
    });
  }

 private:
  static constexpr size_t kStack = 64 << 10, kSlot = 64;
  enum class Waits { no, warp, block, done };
  struct Orders {  // one and the next: some may have come to that while others still go on from this
    char of[2];
  };
  struct Fiber {
    ucontext_t context;
    jmp_buf place;  // changing over by longjmp makes no system calls
    void* sanitized = new_fiber();
    bool started = false, side = false;
    unsigned met[2] = {};  // how many times the block and the warp
    Waits waits = Waits::done;
    std::deque<std::vector<Copy>> copies;
    Orders warp_orders;  // the first lane's is that of all
    unsigned char slots[2][kSlot];
    char stack[kStack];
  };

  void reserve(unsigned threads) {
    while (fibers_.size() < threads) fibers_.push_back(std::make_unique<Fiber>());
  }
  void resume(unsigned i) {
    Fiber& f = *fibers_[i];
    current_ = i;
    thread_index.x = i;
    if (_setjmp(scheduler_) != 0) return;
    change_to(f.sanitized);
    if (f.started) _longjmp(f.place, 1);
    f.started = true;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = nullptr;
    makecontext(&f.context, &Block::live, 0);
    setcontext(&f.context);
  }
  static void live();
  void wait(Waits what) {
    Fiber& f = *fibers_[current_];
    f.waits = what;
    if (_setjmp(f.place) != 0) return;
    change_to(scheduler_fiber_);
    _longjmp(scheduler_, 1);
  }
  void meet(Waits what, Orders& orders) {
    char* order;
    {
      const Unseen unseen;
      order = orders.of + fibers_[current_]->met[what == Waits::warp]++ % 2;
    }
    come_to(*order);
    {
      const Unseen unseen;
      wait(what);
    }
    go_on_from(*order);
  }
  [[noreturn]] static void give_up(const char* why) {
    std::fprintf(stderr, "emulation: %s\n", why);
    std::abort();
  }
  bool release_warps(unsigned threads) {
    bool released = false;
    for (unsigned first = 0; first < threads; first += 32) {
      const unsigned end = std::min(threads, first + 32);
      bool all = true, any = false, gone = false;
      for (unsigned i = first; i < end; ++i) {
        all &= fibers_[i]->waits == Waits::warp || fibers_[i]->waits == Waits::done;
        any |= fibers_[i]->waits == Waits::warp;
        gone |= fibers_[i]->waits == Waits::done;
      }
      if (!all || !any) continue;
      if (gone) give_up("a warp waits for lanes that have ended");
      for (unsigned i = first; i < end; ++i)
        if (fibers_[i]->waits == Waits::warp) fibers_[i]->waits = Waits::no;
      released = true;
    }
    return released;
  }
  void release_block(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      if (fibers_[i]->waits == Waits::warp) give_up("a warp waits for lanes that wait for the block");
      if (fibers_[i]->waits == Waits::block) fibers_[i]->waits = Waits::no;
    }
  }

  jmp_buf scheduler_;
  void* scheduler_fiber_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  unsigned current_ = 0;
  const std::function<void()>* kernel_ = nullptr;
  Dice dice_;
  Orders block_orders_;
  char between_, ended_;
};

inline Block block;

inline void Block::live() {  // a fiber serves one block after the other
  for (;;) {
    go_on_from(block.between_);
    (*block.kernel_)();
    come_to(block.ended_);
    const Unseen unseen;
    block.wait(Waits::done);
  }
}

}  // namespace tamis::emulation
