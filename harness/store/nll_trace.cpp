// SPDX-License-Identifier: Apache-2.0
#include "harness/store/nll_trace.h"

#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "harness/base/error.h"

namespace lethe::store {
namespace {

static_assert(std::endian::native == std::endian::little, "blobs are little-endian");

constexpr std::string_view kMagic = "LNT1";
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kMaxValues = std::size_t{1} << 28;
// Shorter traces do not get smaller by packing: measured on PG-19 losses.
constexpr std::size_t kLeastPacked = 256;

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorKind::kStore, "the NLL trace is damaged: " + why);
}

}  // namespace

std::string encode_nll_trace(std::span<const float> trace) {
  LETHE_ASSERT(trace.size() <= kMaxValues, "NLL trace too long to store");
  const auto count = static_cast<std::uint32_t>(trace.size());
  const auto bytes = static_cast<uLong>(trace.size_bytes());
  const bool stored = trace.size() < kLeastPacked;
  z_stream stream{};
  // The bits of a loss hardly repeat, so looking for repetitions only costs time: codes for single
  // bytes pack as well. Small windows because zlib clears its tables for every trace.
  int rc = stored ? deflateInit2(&stream, Z_NO_COMPRESSION, Z_DEFLATED, 9, 1, Z_DEFAULT_STRATEGY)
                  : deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 12, 8, Z_HUFFMAN_ONLY);
  std::string blob;
  if (rc == Z_OK) {
    const uLong room = deflateBound(&stream, bytes);
    blob.resize(kHeaderBytes + room);
    std::memcpy(blob.data(), kMagic.data(), kMagic.size());
    std::memcpy(blob.data() + kMagic.size(), &count, sizeof count);
    stream.next_in = reinterpret_cast<z_const Bytef*>(const_cast<float*>(trace.data()));
    stream.avail_in = static_cast<uInt>(bytes);
    stream.next_out = reinterpret_cast<Bytef*>(blob.data() + kHeaderBytes);
    stream.avail_out = static_cast<uInt>(room);
    rc = deflate(&stream, Z_FINISH);
    blob.resize(kHeaderBytes + stream.total_out);
    deflateEnd(&stream);
  }
  if (rc != Z_STREAM_END)
    throw Error(ErrorKind::kResource, "out of memory while an NLL trace is compressed");
  return blob;
}

std::vector<float> decode_nll_trace(std::string_view blob) {
  if (blob.size() < kHeaderBytes || !blob.starts_with(kMagic)) {
    damaged("expected it to start with 'LNT1' and a count, found " + std::to_string(blob.size()) +
            " other bytes");
  }
  std::uint32_t count = 0;
  std::memcpy(&count, blob.data() + kMagic.size(), sizeof count);
  // zlib packs at most about 1 : 1032, so a count that the blob cannot hold is refused before it is
  // allocated.
  if (count > kMaxValues || count * sizeof(float) > (blob.size() + 1) * 1100) {
    damaged("a count of " + std::to_string(count) + " does not fit " + std::to_string(blob.size()) +
            " bytes");
  }
  std::vector<float> trace(count);
  std::vector<Bytef> spare(trace.empty() ? 1 : 0);  // zlib wants an address even for no bytes
  uLongf bytes = static_cast<uLongf>(count * sizeof(float));
  auto* target = trace.empty() ? spare.data() : reinterpret_cast<Bytef*>(trace.data());
  const int rc =
      uncompress(target, &bytes, reinterpret_cast<const Bytef*>(blob.data() + kHeaderBytes),
                 static_cast<uLong>(blob.size() - kHeaderBytes));
  if (rc != Z_OK || bytes != count * sizeof(float)) {
    damaged("expected " + std::to_string(count) + " values in its zlib stream (code " +
            std::to_string(rc) + ", " + std::to_string(bytes) + " bytes)");
  }
  return trace;
}

}  // namespace lethe::store
