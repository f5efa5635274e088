// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/byte_token.h"

#include <charconv>

namespace lethe::models {

std::optional<std::uint8_t> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return {};
  std::uint8_t byte = 0;
  const auto read = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (read.ec != std::errc{} || read.ptr != token.data() + 5) return {};
  return byte;
}

std::string byte_token(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

}  // namespace lethe::models
