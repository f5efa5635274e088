// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/framing.h"

#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "harness/base/error.h"

namespace lethe::runner {
namespace {

static_assert(std::endian::native == std::endian::little, "frame lengths are little-endian");

constexpr std::size_t kHeaderBytes = 8;

}  // namespace

std::string encode_frame(const Frame& frame) {
  const std::string text = json::serialize(frame.message);
  LETHE_ASSERT(text.size() <= kMaxFrameJson && frame.blob.size() <= kMaxFrameBlob,
               "message too large");
  const std::uint32_t lengths[2] = {static_cast<std::uint32_t>(text.size()),
                                    static_cast<std::uint32_t>(frame.blob.size())};
  std::string bytes(kHeaderBytes, '\0');
  std::memcpy(bytes.data(), lengths, kHeaderBytes);
  return bytes + text + frame.blob;
}

void FrameDecoder::feed(std::string_view bytes) {
  // What was handed out is dropped only when it is the larger part, so that bytes move rarely.
  if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_ += bytes;
}

std::optional<Frame> FrameDecoder::next() {
  const std::size_t there = buffer_.size() - begin_;
  if (there < kHeaderBytes) return std::nullopt;
  std::uint32_t lengths[2];
  std::memcpy(lengths, buffer_.data() + begin_, kHeaderBytes);
  const std::size_t text_bytes = lengths[0], blob_bytes = lengths[1];
  if (text_bytes > kMaxFrameJson || blob_bytes > kMaxFrameBlob) {
    throw Error(ErrorKind::kInternal, "malformed message: lengths " + std::to_string(text_bytes) +
                                          " and " + std::to_string(blob_bytes));
  }
  if (there < kHeaderBytes + text_bytes + blob_bytes) return std::nullopt;
  const std::string_view body = std::string_view(buffer_).substr(begin_ + kHeaderBytes);
  json::value value =
      parse_json(body.substr(0, text_bytes), "message between processes", ErrorKind::kInternal);
  if (!value.is_object()) {
    throw Error(ErrorKind::kInternal, "malformed message: expected an object, found " +
                                          std::string(describe_type(value)));
  }
  Frame frame{std::move(value.get_object()), std::string(body.substr(text_bytes, blob_bytes))};
  begin_ += kHeaderBytes + text_bytes + blob_bytes;
  return frame;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

ReadResult read_some(int fd, FrameDecoder& decoder) {
  char buffer[65536];
  while (true) {
    const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
    if (size > 0) {
      decoder.feed({buffer, static_cast<std::size_t>(size)});
      return ReadResult::kData;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return ReadResult::kNothing;
    return ReadResult::kEnd;
  }
}

}  // namespace lethe::runner
