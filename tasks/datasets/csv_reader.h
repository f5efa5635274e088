// SPDX-License-Identifier: Apache-2.0
// Comma-separated values as RFC 4180 has them. Internal to this room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tasks/datasets/byte_source.h"

namespace lethe::tasks {

/// Rows below a line of names. A field may be quoted; then it may hold commas, line ends and, as
/// "", quotation marks.
class CsvReader {
 public:
  /// Reads the names. Throws Error(kData) when there are none, or one is empty or stands twice.
  /// `limit` bounds a row, bytes.
  CsvReader(ByteSource& source, std::size_t limit);

  const std::vector<std::string>& names() const { return names_; }
  /// The next row, as many fields as names; blank lines are passed over. False at the end. Throws
  /// Error(kData): another number of fields, an open quote, a quote inside an unquoted field, text
  /// behind a closing quote, bytes that are no UTF-8 or NUL.
  bool next(std::vector<std::string>& fields);
  /// The line in which the last row began.
  std::int64_t line() const { return line_; }

 private:
  bool read_row(std::vector<std::string>& fields);
  bool read_field(std::string& field, std::size_t left);
  void read_quoted(std::string& field, std::size_t left);
  [[noreturn]] void fail(const std::string& what) const;

  ByteSource& source_;
  const std::size_t limit_;
  std::vector<std::string> names_;
  std::int64_t line_ = 1;
};

}  // namespace lethe::tasks
