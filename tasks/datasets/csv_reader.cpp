// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/csv_reader.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/text.h"

namespace lethe::tasks {

CsvReader::CsvReader(ByteSource& source, std::size_t limit) : source_(source), limit_(limit) {
  if (!read_row(names_)) fail("expected a line of names, found nothing");
  for (auto name = names_.begin(); name != names_.end(); ++name) {
    if (name->empty()) fail("expected a name for every field, found an empty one");
    if (std::find(names_.begin(), name, *name) != name) {
      fail("expected names that differ, found '" + *name + "' twice");
    }
  }
}

bool CsvReader::next(std::vector<std::string>& fields) {
  do {
    if (!read_row(fields)) return false;
    // A blank line is one empty field; where rows have one field, it is a row.
  } while (fields.size() == 1 && fields[0].empty() && names_.size() > 1);
  if (fields.size() == names_.size()) return true;
  fail("expected " + std::to_string(names_.size()) + " fields as the first line names, found " +
       std::to_string(fields.size()) + "; mend the row, or get the file again");
}

bool CsvReader::read_row(std::vector<std::string>& fields) {
  fields.clear();
  line_ = source_.line();
  if (source_.peek() == ByteSource::kEnd) return false;
  std::size_t left = limit_;
  bool more = true;
  while (more) {
    fields.emplace_back();
    more = read_field(fields.back(), left);
    left -= std::min(left, fields.back().size() + 1);
    check_utf8(fields.back(), source_.where(line_));
    if (fields.back().find('\0') != std::string::npos) {
      fail("expected text, found a NUL byte; the file is damaged: get it again");
    }
  }
  return true;
}

/// One field with the comma or line end behind it. True when another field follows.
bool CsvReader::read_field(std::string& field, std::size_t left) {
  const bool quoted = source_.peek() == '"';
  if (quoted) read_quoted(field, left);
  while (true) {
    const int byte = source_.get();
    if (byte == ',') return true;
    if (byte == '\n' || byte == ByteSource::kEnd) return false;
    if (byte == '\r' && (source_.peek() == '\n' || source_.peek() == ByteSource::kEnd)) continue;
    if (quoted) fail("expected a comma or the end of the line behind a closing quote");
    if (byte == '"') fail("found a quote inside a field that does not begin with one");
    if (field.size() == left)
      fail("the row is longer than " + human_bytes(static_cast<double>(limit_)));
    field += static_cast<char>(byte);
  }
}

void CsvReader::read_quoted(std::string& field, std::size_t left) {
  source_.get();
  while (true) {
    const int byte = source_.get();
    if (byte == ByteSource::kEnd) {
      fail("a quoted field is never closed; the file is cut short, or a quote is missing");
    }
    if (byte == '"') {
      if (source_.peek() != '"') return;
      source_.get();
    }
    if (field.size() == left)
      fail("the row is longer than " + human_bytes(static_cast<double>(limit_)));
    field += static_cast<char>(byte);
  }
}

void CsvReader::fail(const std::string& what) const {
  throw Error(ErrorKind::kData, source_.where(line_) + ": " + what);
}

}  // namespace lethe::tasks
