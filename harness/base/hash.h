// SPDX-License-Identifier: Apache-2.0
// SHA-256 of texts and files. Keys, data and weights are named by it everywhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace lethe {

/// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(std::string_view bytes);
  /// 64 lower-case hex digits. Call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 64 lower-case hex digits of the SHA-256 of `bytes`.
std::string sha256_hex(std::string_view bytes);

/// SHA-256 of a file's bytes. Throws Error(kData) when it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

/// Where small facts are remembered between runs: $XDG_CACHE_HOME/lethe, else ~/.cache/lethe; empty
/// when the environment names neither. Not created.
std::filesystem::path user_cache_folder();

/// As sha256_file(), remembered per (path, size, times, inode) in the user's cache folder
/// ($XDG_CACHE_HOME/lethe or ~/.cache/lethe), so that a 100 MB checkpoint is not read at every
/// start. A cache that cannot be read or written is ignored.
std::string sha256_file_cached(const std::filesystem::path& path);

}  // namespace lethe
