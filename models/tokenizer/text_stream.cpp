// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/text_stream.h"

#include <algorithm>
#include <utility>

namespace lethe::models {
namespace {

// Enough tokens for how the next one reads: a tokenizer looks at its neighbours, no further.
constexpr std::size_t kWindow = 16;

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops,
                       bool skip_special)
    : tokenizer_(tokenizer), stops_(std::move(stops)), skip_special_(skip_special) {
  std::erase(stops_, "");
}

std::string TextStream::push(std::int64_t id) {
  if (stopped_) return {};
  if (window_.size() == 2 * kWindow) {
    window_.erase(window_.begin(), window_.begin() + kWindow);
    known_ = tokenizer_.decode(window_, skip_special_).size();
  }
  window_.push_back(id);
  const std::string text = tokenizer_.decode(window_, skip_special_);
  if (text.size() > known_) pending_ += text.substr(known_);
  known_ = text.size();

  std::size_t end = std::string::npos;
  for (const auto& stop : stops_) end = std::min(end, pending_.find(stop));
  stopped_ = end != std::string::npos;
  if (!stopped_) end = pending_.size() - held_back();
  std::string certain = pending_.substr(0, end);
  pending_.erase(0, end);
  return certain;
}

std::string TextStream::finish() {
  return stopped_ ? std::string() : std::exchange(pending_, {});
}

// Bytes at the end of what is pending that the next token may turn into something else.
std::size_t TextStream::held_back() const {
  std::size_t most = incomplete_utf8(pending_);
  for (const auto& stop : stops_) {
    std::size_t length = std::min(stop.size() - 1, pending_.size());
    while (length > most && !pending_.ends_with(std::string_view(stop).substr(0, length))) --length;
    most = std::max(most, length);
  }
  return most;
}

std::size_t incomplete_utf8(std::string_view bytes) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes.size()); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0U) == 0x80U) continue;  // within a character
    const std::size_t length = byte >= 0xF0U ? 4 : byte >= 0xE0U ? 3 : byte >= 0xC0U ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace lethe::models
