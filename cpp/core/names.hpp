// Texts, each once, in the order they came.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/vector.hpp"

namespace tamis {

class Names {
 public:
  int64_t place_of(std::string_view name) {
    if (const auto found = places_.find(name); found != places_.end()) return found->second;
    const int64_t place = in_order_.size();
    in_order_.push_back(&places_.emplace(name, place).first->first);
    return place;
  }
  const Vector<const std::string*>& in_order() const { return in_order_; }

  // The place of each in `others`, where those are added that are not there.
  Vector<int64_t> places_in(Names& others) const {
    Vector<int64_t> places;
    for (const std::string* name : in_order_) places.push_back(others.place_of(*name));
    return places;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> places_;  // keys stay where they are
  Vector<const std::string*> in_order_;
};

}  // namespace tamis
