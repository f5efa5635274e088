// SPDX-License-Identifier: Apache-2.0
// Writing small GGUF files without tensors, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

/// Metadata of a GGUF file; bytes() is the whole file.
class GgufWriter {
 public:
  GgufWriter& text(std::string_view key, std::string_view value) {
    start(key, 8);
    append_text(value);
    return *this;
  }
  GgufWriter& uint32(std::string_view key, std::uint32_t value) {
    start(key, 4);
    append(value);
    return *this;
  }
  GgufWriter& boolean(std::string_view key, bool value) {
    start(key, 7);
    append(static_cast<std::uint8_t>(value));
    return *this;
  }
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values) {
    start(key, 9);
    append(std::uint32_t{8});
    append(std::uint64_t{values.size()});
    for (const std::string& value : values) append_text(value);
    return *this;
  }
  GgufWriter& int32s(std::string_view key, const std::vector<std::int32_t>& values) {
    start(key, 9);
    append(std::uint32_t{5});
    append(std::uint64_t{values.size()});
    for (const std::int32_t value : values) append(value);
    return *this;
  }

  std::string bytes() const {
    GgufWriter head;
    head.body_ = "GGUF";
    head.append(std::uint32_t{3});
    head.append(std::uint64_t{0});
    head.append(n_keys_);
    return head.body_ + body_;
  }

 private:
  template <typename T>
  void append(T value) {
    body_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void append_text(std::string_view value) {
    append(std::uint64_t{value.size()});
    body_ += value;
  }
  void start(std::string_view key, std::uint32_t type) {
    ++n_keys_;
    append_text(key);
    append(type);
  }

  std::string body_;
  std::uint64_t n_keys_ = 0;
};

}  // namespace lethe::test
