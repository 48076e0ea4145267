// What every C interface of ours to libtorch does with its faults.

#pragma once

#include <cstring>
#include <exception>

#include <c10/util/Exception.h>

// Calls a function, which no exception leaves: it returns null, or a message for free().
template <class Function>
char* guarded(Function&& function) noexcept {
  try {
    try {
      function();
      return nullptr;
    } catch (const c10::Error& error) {
      return strdup(error.what_without_backtrace());
    } catch (const std::exception& error) {
      return strdup(error.what());
    }
  } catch (...) {
    return strdup("an unknown exception of libtorch");
  }
}
