// SPDX-License-Identifier: Apache-2.0
// Letters of other scripts as ASCII, as far as ZeroSCROLLS' F1 needs it.
#pragma once

#include <string>
#include <string_view>

namespace lethe::tasks {

/// What unidecode() gives for accented and ligated Latin letters, typographic signs, fractions,
/// Greek, Cyrillic and kana, from tables of our own (Unidecode's are under the GPL). An ideograph
/// or a Hangul syllable becomes a word by itself, as there, but not its reading: "u5317 " for
/// U+5317. Such words match each other and never an ASCII word. Other characters are left out.
std::string to_ascii(std::string_view text);

}  // namespace lethe::tasks
