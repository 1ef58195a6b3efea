#include "core/isa.hpp"
