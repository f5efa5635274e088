// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/json_pieces.h"

#include <utility>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"

namespace lethe::tasks {

JsonPieces::JsonPieces(ByteSource& source, std::size_t limit) : source_(source), limit_(limit) {}

std::optional<JsonPiece> JsonPieces::next() {
  while (true) {
    skip_space();
    switch (level_) {
      case Level::kStart:
        if (source_.peek() != '[' && source_.peek() != '{') fail("a list or an object");
        level_ = source_.get() == '[' ? Level::kList : Level::kObject;
        first_ = true;
        break;
      case Level::kList:
      case Level::kListInObject: {
        const bool inner = level_ == Level::kListInObject;
        if (!another(']')) {
          level_ = inner ? Level::kObject : Level::kEnd;
          first_ = false;
          break;
        }
        const std::string number = std::to_string(index_++);
        auto piece = take(inner ? key_ + "[" + number + "]" : number);
        if (inner) piece.key = key_;
        return piece;
      }
      case Level::kObject:
        if (!another('}')) {
          level_ = Level::kEnd;
          break;
        }
        if (!enter_member()) break;
        {
          auto piece = take(key_);
          piece.key = key_;
          return piece;
        }
      case Level::kEnd:
        if (source_.peek() != ByteSource::kEnd) fail("the end of the file");
        return std::nullopt;
    }
  }
}

/// Reads the name of a member. True when its value is a record, false when it is a list of them,
/// which is open then.
bool JsonPieces::enter_member() {
  if (source_.peek() != '"') fail("the name of a member");
  const auto line = source_.line();
  std::string quoted;
  copy_string(quoted);
  check_utf8(quoted, source_.where(line));
  key_ = std::string(parse_json(quoted, source_.where(line), ErrorKind::kData).as_string());
  skip_space();
  expect(':', "':' behind the name of a member");
  skip_space();
  if (source_.peek() == '{') return true;
  expect('[', "an object or a list of objects in a member of the outer object");
  level_ = Level::kListInObject;
  first_ = true;
  index_ = 0;
  return false;
}

bool JsonPieces::another(char close) {
  if (source_.peek() == close) {
    source_.get();
    return false;
  }
  if (!std::exchange(first_, false)) {
    expect(',', close == ']' ? "',' or ']' behind a record" : "',' or '}' behind a member");
    skip_space();
  }
  return true;
}

JsonPiece JsonPieces::take(std::string place) {
  JsonPiece piece;
  piece.place = std::move(place);
  piece.line = source_.line();
  if (source_.peek() != '{') fail("an object as record " + piece.place);
  copy_value(piece.text);
  return piece;
}

/// An object with everything in it: brackets are counted outside strings alone.
void JsonPieces::copy_value(std::string& text) {
  std::int64_t depth = 0;
  do {
    const int byte = source_.peek();
    if (byte == ByteSource::kEnd) fail("the end of a record");
    if (byte == '"') {
      copy_string(text);
      continue;
    }
    if (byte == '{' || byte == '[') ++depth;
    if (byte == '}' || byte == ']') --depth;
    append(text);
  } while (depth > 0);
}

void JsonPieces::copy_string(std::string& text) {
  append(text);
  while (true) {
    const int byte = source_.peek();
    if (byte == ByteSource::kEnd) fail("the closing quote of a string");
    append(text);
    if (byte == '"') return;
    if (byte == '\\') {
      if (source_.peek() == ByteSource::kEnd) fail("the closing quote of a string");
      append(text);
    }
  }
}

void JsonPieces::append(std::string& text) {
  if (text.size() == limit_)
    fail("a record of at most " + human_bytes(static_cast<double>(limit_)));
  text += static_cast<char>(source_.get());
}

void JsonPieces::skip_space() {
  for (int byte = source_.peek(); byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
       byte = source_.peek()) {
    source_.get();
  }
}

void JsonPieces::expect(char byte, const char* what) {
  if (source_.peek() != byte) fail(what);
  source_.get();
}

void JsonPieces::fail(const std::string& expected) {
  const int byte = source_.peek();
  const bool printable = byte > ' ' && byte < 0x7f;
  const std::string found = byte == ByteSource::kEnd ? "the end of the file"
                            : printable ? "'" + std::string(1, static_cast<char>(byte)) + "'"
                                        : "byte " + std::to_string(byte);
  throw Error(ErrorKind::kData, source_.where(source_.line()) + ": expected " + expected +
                                    ", found " + found +
                                    "; records are a list of objects, or an object of objects or "
                                    "of lists of objects; a file cut short must be got again");
}

}  // namespace lethe::tasks
