// SPDX-License-Identifier: Apache-2.0
// Cuts a long JSON document into its records without parsing all of it. Internal to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tasks/datasets/byte_source.h"

namespace lethe::tasks {

/// One record's text as it stands in the document.
struct JsonPiece {
  std::string text;
  std::optional<std::string> key;  ///< member of the outer object that it stands in
  std::string place;               ///< "12", "paper-1", "dev[3]": for messages, counted from 0
  std::int64_t line = 1;           ///< where it begins
};

/// The records of a list, of an object of objects, or of an object of lists. The text of a record
/// is balanced but otherwise unchecked; what stands between records is checked here.
class JsonPieces {
 public:
  /// `limit` bounds a record, bytes.
  JsonPieces(ByteSource& source, std::size_t limit);

  /// The next record, nothing at the end. Throws Error(kData) that names the line where the
  /// document is broken, cut short or has another form.
  std::optional<JsonPiece> next();

 private:
  enum class Level { kStart, kList, kObject, kListInObject, kEnd };

  void skip_space();
  void expect(char byte, const char* what);
  /// Behind an item: true when a comma says that another follows, false at `close`.
  bool another(char close);
  bool enter_member();
  JsonPiece take(std::string place);
  void copy_value(std::string& text);
  void copy_string(std::string& text);
  void append(std::string& text);
  [[noreturn]] void fail(const std::string& expected);

  ByteSource& source_;
  const std::size_t limit_;
  Level level_ = Level::kStart;
  bool first_ = true;       ///< no item of the innermost open list or object was seen
  std::string key_;         ///< of the open member
  std::int64_t index_ = 0;  ///< in the innermost open list
};

}  // namespace lethe::tasks
