// SPDX-License-Identifier: Apache-2.0
// Messages between coordinator and worker: a JSON object and a blob, length-framed on a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/json.h"

namespace lethe::runner {

/// One message. On the wire: uint32 JSON length, uint32 blob length (both little-endian), the JSON
/// text, the blob.
struct Frame {
  json::object message;
  std::string blob;
};

inline constexpr std::size_t kMaxFrameJson = std::size_t{256} << 20;
inline constexpr std::size_t kMaxFrameBlob = std::size_t{1} << 30;

/// Bytes of a frame. Throws Error(kInternal) when a part is larger than its bound.
std::string encode_frame(const Frame& frame);

/// Takes bytes in any portions and gives whole frames back.
class FrameDecoder {
 public:
  void feed(std::string_view bytes);
  /// The next whole frame, or nothing. Throws Error(kInternal) on lengths above the bounds and on
  /// text that is not a JSON object; the stream is unusable afterwards.
  std::optional<Frame> next();
  /// True when the bytes so far end in the middle of a frame.
  bool partial() const { return begin_ < buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;
};

/// Writes all bytes to a blocking socket. False when the other side is gone.
bool send_all(int fd, std::string_view bytes);

/// Appends what is there to read from `fd` to `decoder`: waits for at least a byte on a blocking
/// socket. kEnd when the other side closed it.
enum class ReadResult { kData, kNothing, kEnd };
ReadResult read_some(int fd, FrameDecoder& decoder);

}  // namespace lethe::runner
