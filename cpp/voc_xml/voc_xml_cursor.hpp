// A pull parser for the XML that annotation tools write.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

class XmlCursor {
 public:
  enum class Event { kOpen, kClose, kEnd, kProblem };

  explicit XmlCursor(std::string_view text) : p_(text.data()), end_(text.data() + text.size()) {}

  // The next start or end of an element. At a start `text` is emptied, at an end it is what stood directly before.
  Event next();

  std::string_view name;  // of the element that was opened or closed
  std::string text;
  std::string problem;
  int64_t line = 1;                    // where it stands
  std::vector<std::string_view> open;  // the elements around, the outermost first

 private:
  Event fail(std::string what);
  Event tag();
  Event close_tag();
  bool skip_markup(bool& failed);
  bool skip_to(std::string_view stop, bool keep);
  bool skip_doctype();
  bool entity();
  bool starts(std::string_view what) const;
  void step() { line += *p_++ == '\n'; }

  const char* p_;
  const char* end_;
  bool closes_itself_ = false;
  bool had_root_ = false;
};
}  // namespace tamis
