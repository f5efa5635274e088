// SPDX-License-Identifier: Apache-2.0
// Writing small GGUF files, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

/// Metadata and float32 tensors of a GGUF file; bytes() is the whole file.
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
  GgufWriter& float32(std::string_view key, float value) {
    start(key, 6);
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
  GgufWriter& float32s(std::string_view key, const std::vector<float>& values) {
    start(key, 9);
    append(std::uint32_t{6});
    append(std::uint64_t{values.size()});
    for (const float value : values) append(value);
    return *this;
  }

  /// `ne`: extents, fastest first.
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& ne,
                     const std::vector<float>& values) {
    tensors_.push_back({std::string(name), ne, values});
    return *this;
  }

  std::string bytes() const {
    GgufWriter file;
    file.body_ = "GGUF";
    file.append(std::uint32_t{3});
    file.append(std::uint64_t{tensors_.size()});
    file.append(n_keys_);
    file.body_ += body_;
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
      file.append_text(tensor.name);
      file.append(static_cast<std::uint32_t>(tensor.ne.size()));
      for (const std::uint64_t extent : tensor.ne) file.append(extent);
      file.append(std::uint32_t{0});  // F32
      file.append(offset);
      offset += (tensor.values.size() * 4 + kAlignment - 1) / kAlignment * kAlignment;
    }
    for (const Tensor& tensor : tensors_) {
      file.align();
      for (const float value : tensor.values) file.append(value);
    }
    return file.body_;
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

  void align() { body_.resize((body_.size() + kAlignment - 1) / kAlignment * kAlignment); }

  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> ne;
    std::vector<float> values;
  };
  static constexpr std::size_t kAlignment = 32;

  std::string body_;
  std::uint64_t n_keys_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace lethe::test
