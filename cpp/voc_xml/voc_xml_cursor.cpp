#include "voc_xml/voc_xml_cursor.hpp"

#include <charconv>
#include <cstring>

#include "core/files.hpp"

namespace tamis {
namespace {

constexpr size_t kDeepest = 256;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool ends_name(char c) { return is_space(c) || c == '>' || c == '/' || c == '=' || c == '<'; }

// The characters of a numeric reference, as UTF-8; false for what is none.
bool append_code(std::string& to, std::string_view digits) {
  uint32_t code = 0;
  const bool hex = digits.starts_with('x');
  if (hex) digits.remove_prefix(1);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  if (error != std::errc() || stop != digits.data() + digits.size() || code == 0 || code > 0x10FFFF) return false;
  append_utf8(to, code);
  return true;
}

}  // namespace

bool XmlCursor::starts(std::string_view what) const {
  return static_cast<size_t>(end_ - p_) >= what.size() && std::memcmp(p_, what.data(), what.size()) == 0;
}

XmlCursor::Event XmlCursor::fail(std::string what) {
  problem = std::move(what);
  return Event::kProblem;
}

// Past `stop`; what stands before it is kept as text, or not.
bool XmlCursor::skip_to(std::string_view stop, bool keep) {
  while (p_ < end_ && !starts(stop)) {
    if (keep) text.push_back(*p_);
    step();
  }
  if (p_ == end_) return false;
  p_ += stop.size();
  return true;
}

bool XmlCursor::skip_doctype() {
  int depth = 0;
  char quote = 0;
  for (; p_ < end_; step()) {
    if (quote != 0) {
      if (*p_ == quote) quote = 0;
    } else if (*p_ == '"' || *p_ == '\'') {
      quote = *p_;
    } else if (*p_ == '<') {
      ++depth;
    } else if (*p_ == '>' && --depth == 0) {
      ++p_;
      return true;
    }
  }
  return false;
}

// Skips a comment, CDATA, a declaration or a document type; false where none stands here.
bool XmlCursor::skip_markup(bool& failed) {
  const auto skip = [&](size_t head, std::string_view stop, bool keep) {
    p_ += head;
    failed = !skip_to(stop, keep);
    return true;
  };
  if (starts("<!--")) return skip(4, "-->", false);
  if (starts("<![CDATA[")) return skip(9, "]]>", true);
  if (starts("<?")) return skip(2, "?>", false);
  if (!starts("<!")) return false;
  failed = !skip_doctype();
  return true;
}

bool XmlCursor::entity() {
  constexpr std::pair<std::string_view, char> kKnown[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (const auto& [spelled, c] : kKnown) {
    if (!starts(spelled)) continue;
    text.push_back(c), p_ += spelled.size();
    return true;
  }
  const char* stop = p_;
  while (stop < end_ && stop - p_ < 12 && *stop != ';') ++stop;
  const std::string_view inside(p_ + 1, static_cast<size_t>(stop - p_ - 1));
  if (stop == end_ || *stop != ';' || !inside.starts_with('#') || !append_code(text, inside.substr(1))) {
    problem = "an entity that is not expanded: " + quoted(p_, stop);
    return false;
  }
  p_ = stop + 1;
  return true;
}

XmlCursor::Event XmlCursor::close_tag() {
  p_ += 2;
  const char* begin = p_;
  while (p_ < end_ && !ends_name(*p_)) ++p_;
  name = {begin, static_cast<size_t>(p_ - begin)};
  while (p_ < end_ && is_space(*p_)) step();
  if (p_ == end_ || *p_ != '>') return fail("an end tag that is cut off");
  ++p_;
  if (open.empty() || open.back() != name)
    return fail("</" + std::string(name.substr(0, 40)) + "> closes " +
                (open.empty() ? "nothing" : "<" + std::string(open.back().substr(0, 40)) + ">"));
  open.pop_back();
  return Event::kClose;
}

XmlCursor::Event XmlCursor::tag() {
  if (starts("</")) return close_tag();
  if (open.empty() && had_root_) return fail("a second root element");
  const char* begin = ++p_;
  while (p_ < end_ && !ends_name(*p_)) ++p_;
  name = {begin, static_cast<size_t>(p_ - begin)};
  if (name.empty()) return fail("a '<' that begins no element");
  char quote = 0;
  for (; p_ < end_ && (quote != 0 || *p_ != '>'); step()) {
    if (quote == 0 && *p_ == '<') return fail("a tag that is cut off");
    if (quote == 0 && (*p_ == '"' || *p_ == '\''))
      quote = *p_;
    else if (*p_ == quote)
      quote = 0;
  }
  if (p_ == end_) return fail("a tag that is cut off");
  closes_itself_ = p_[-1] == '/';
  ++p_;
  if (open.size() == kDeepest) return fail("elements nested too deep");
  open.push_back(name);
  had_root_ = true;
  text.clear();
  return Event::kOpen;
}

XmlCursor::Event XmlCursor::next() {
  if (closes_itself_) {
    closes_itself_ = false;
    name = open.back();
    open.pop_back();
    return Event::kClose;
  }
  while (p_ < end_) {
    bool failed = false;
    if (*p_ == '<') {
      if (!skip_markup(failed)) return tag();
      if (failed) return fail("a comment, declaration or CDATA section that does not end");
    } else if (*p_ == '&') {
      if (!entity()) return Event::kProblem;
    } else {
      if (open.empty() && !is_space(*p_)) return fail("text outside the root element");
      text.push_back(*p_);
      step();
    }
  }
  if (!open.empty()) return fail("<" + std::string(open.back().substr(0, 40)) + "> is not closed");
  return had_root_ ? Event::kEnd : fail("expected XML, got an empty file");
}

}  // namespace tamis
