// SPDX-License-Identifier: Apache-2.0
// Texts: UTF-8 validation, whole files, and numbers written for people.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/error.h"

namespace lethe {

/// Byte offset of the first invalid UTF-8 sequence (overlong forms and surrogates are invalid).
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// Whole file as bytes. Throws Error(kind) when it cannot be read.
std::string read_file(const std::filesystem::path& path, ErrorKind kind);

/// Throws Error(kData) that begins with `where` and names the byte when `text` is not UTF-8.
void check_utf8(std::string_view text, std::string_view where);

/// Whole file as text. Throws Error(kData) when it is empty or not UTF-8.
std::string read_text_file(const std::filesystem::path& path);

/// Writes a file through a temporary beside it, so that a reader never sees half of it.
/// Throws Error(kStore) when the disk is full or the folder cannot be written.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// "1,234,567".
std::string with_thousands(std::int64_t value);
/// "3 m 20 s", "1 h 04 m", "0.8 s".
std::string human_duration(double seconds);
/// "12.3 MiB".
std::string human_bytes(double bytes);
/// Fixed-point text with `digits` decimals.
std::string fixed(double value, int digits);

std::vector<std::string> split(std::string_view text, char separator);

}  // namespace lethe
