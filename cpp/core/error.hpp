// Wrong arguments become std::invalid_argument, which the bindings turn into ValueError.
#pragma once
#include <stdexcept>
#include <string>

#define TAMIS_CHECK(condition, message)                                  \
  do {                                                                   \
    if (!(condition)) throw std::invalid_argument(std::string(message)); \
  } while (0)
