// SPDX-License-Identifier: Apache-2.0
// UTF-8 names for libarchive. Internal to this room and its tests.
#pragma once

#include <locale.h>

namespace lethe::tasks {

/// While it lives, this thread converts texts as UTF-8. libarchive takes member names through the
/// locale of the thread, and a program that never calls setlocale() has "C", where a name outside
/// ASCII cannot be had at all.
class Utf8Locale {
 public:
  Utf8Locale() : utf8_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_) before_ = uselocale(utf8_);
  }
  ~Utf8Locale() {
    if (!utf8_) return;
    uselocale(before_);
    freelocale(utf8_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t utf8_;
  locale_t before_ = nullptr;
};

}  // namespace lethe::tasks
