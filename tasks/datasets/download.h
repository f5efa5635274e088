// SPDX-License-Identifier: Apache-2.0
// One file over HTTP, resumed where it stopped and checked before it has its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "harness/base/error.h"

namespace lethe::tasks {

/// What is known of a file beforehand, and where it goes.
struct DownloadRequest {
  std::string url;               ///< http:// or https://
  std::filesystem::path target;  ///< its folder exists
  std::optional<std::int64_t> bytes;
  std::optional<std::string> sha256;
  std::string sha256_source;  ///< for messages: "data/datasets.json", "the first download on …"
};

/// How a download reports and is stopped.
struct DownloadHooks {
  /// Bytes that are here, and all of them where the server said so. Called often.
  std::function<void(std::int64_t done, std::optional<std::int64_t> total)> progress;
  /// A line for people: resumed, begun anew, tried again.
  std::function<void(const std::string& text)> note;
  /// Asked at least once a second; true ends with Error(kInterrupted), and the part stays.
  std::function<bool()> interrupted;
};

/// How patient a download is.
struct DownloadPatience {
  int tries = 4;             ///< in a row without a new byte, and files that change meanwhile
  double pause_seconds = 1;  ///< before the second try; doubled each time
  long connect_seconds = 30;
  long stalled_seconds = 60;  ///< without a byte: the connection counts as lost
  /// A server that asks for a longer one (Retry-After) is not waited for.
  double longest_pause_seconds = 300;
};

/// The server cannot be reached at all: no network, no such host, nobody listening, a proxy that
/// refuses the way. Not after bytes have come: then it is a connection that broke.
class Unreachable : public Error {
 public:
  using Error::Error;
};

/// Brings a file to `request.target` and returns its SHA-256 (64 hex digits).
///
/// Bytes are gathered in `<target>.part`; `<target>.part.json` remembers address and validator
/// (strong ETag, else Last-Modified). A part is gone on with by Range and If-Range, so that a file
/// that changed meanwhile comes anew and whole; an answer that names another validator or length
/// than the part has is not joined to it. A connection that breaks is taken up again by itself,
/// and a busy server (408, 429, 5xx) asked again, not before its Retry-After. Size and SHA-256 are
/// checked on the part, which is then synced and renamed: what has the target's name is whole. A
/// part that is whole and wrong is removed.
///
/// Redirects are followed, from https to https alone. Throws Unreachable (kData), Error(kData):
/// an answer other than 200 or 206 (with its number), another size or checksum than expected, an
/// answer that does not say how long it is; Error(kResource) when the disk is full;
/// Error(kInterrupted).
std::string download(const DownloadRequest& request, const DownloadHooks& hooks,
                     const DownloadPatience& patience = {});

/// "<target>.part", where download() gathers bytes.
std::filesystem::path part_path(const std::filesystem::path& target);

/// Removes what an unfinished download left beside `target`.
void remove_part(const std::filesystem::path& target);

}  // namespace lethe::tasks
