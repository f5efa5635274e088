// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/byte_level.h"

#include <array>

namespace lethe::models {
namespace {

constexpr std::size_t kAlphabetEnd = 0x144;  // 256 + the 68 bytes that do not stand for themselves

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<int, 256> kCodePointOfByte = [] {
  std::array<int, 256> table{};
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    table[static_cast<std::size_t>(byte)] = stands_for_itself(byte) ? byte : next++;
  }
  return table;
}();

constexpr std::array<int, kAlphabetEnd> kByteOfCodePoint = [] {
  std::array<int, kAlphabetEnd> table{};
  table.fill(-1);
  for (int byte = 0; byte < 256; ++byte) {
    table[static_cast<std::size_t>(kCodePointOfByte[static_cast<std::size_t>(byte)])] = byte;
  }
  return table;
}();

}  // namespace

std::optional<std::string> byte_level_decode(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto code_point = static_cast<std::size_t>(static_cast<unsigned char>(text[i]));
    if (code_point >= 0x80) {
      // The whole alphabet lies below U+0800: two bytes of UTF-8.
      if (code_point < 0xc2 || code_point >= 0xe0 || i + 1 == text.size()) return {};
      const auto low = static_cast<unsigned char>(text[++i]);
      if ((low & 0xc0U) != 0x80U) return {};
      code_point = ((code_point & 0x1fU) << 6) | (low & 0x3fU);
    }
    if (code_point >= kAlphabetEnd || kByteOfCodePoint[code_point] < 0) return {};
    bytes.push_back(static_cast<char>(kByteOfCodePoint[code_point]));
  }
  return bytes;
}

std::string byte_level_encode(unsigned char byte) {
  const int code_point = kCodePointOfByte[byte];
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xc0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3f))};
}

std::string byte_level_encode(std::string_view text) {
  std::string encoded;
  encoded.reserve(text.size() + text.size() / 4);
  for (const char byte : text) encoded += byte_level_encode(static_cast<unsigned char>(byte));
  return encoded;
}

}  // namespace lethe::models
