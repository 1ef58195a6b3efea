// How far a long loop is, reported while it runs.
#pragma once
#include <cstdint>

namespace tamis {
// Called with the steps of the outermost parallel_for that are done, but for those at work, and all of them; on the
// calling thread, after each poll for an interrupt. true: stop.
void set_progress_poll(bool (*tell)(int64_t done, int64_t total));
}  // namespace tamis
