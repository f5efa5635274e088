// SPDX-License-Identifier: Apache-2.0
// Damaging copies of files, and reading the error that follows.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"

namespace lethe::test {

inline std::string bytes_of(const std::filesystem::path& path) {
  return read_file(path, ErrorKind::kData);
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  REQUIRE(file.good());
}

/// Replaces the first occurrence of `from` by `to` of the same length; the test fails without one.
inline void replace_once(std::string& bytes, std::string_view from, std::string_view to) {
  REQUIRE(from.size() == to.size());
  const std::size_t at = bytes.find(from);
  REQUIRE(at != std::string::npos);
  bytes.replace(at, from.size(), to);
}

template <typename T>
void overwrite(std::string& bytes, std::size_t at, T value) {
  REQUIRE(at + sizeof(T) <= bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

/// Message of the Error of this kind that `action` throws; the test fails when it throws none.
template <typename Action>
std::string error_of(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  FAIL("expected an Error, nothing was thrown");
  return {};
}

}  // namespace lethe::test
