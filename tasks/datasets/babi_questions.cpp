// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/babi_questions.h"

#include <map>
#include <string_view>

#include "harness/base/error.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "tasks/datasets/byte_source.h"

namespace lethe::tasks {
namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 16;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \r";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// Reads the lines of one file in order.
class Reader {
 public:
  void line(std::string_view line, const std::string& where) {
    where_ = &where;
    const auto blank = line.find(' ');
    const auto number = parse_integer(std::string(line.substr(0, blank)));
    if (blank == line.npos || !number || *number < 1) {
      fail("expected \"NUMBER text\", found '" + std::string(line.substr(0, 40)) + "'");
    }
    if (*number == 1) {
      facts_.clear();
      fact_of_line_.clear();
      ++story_;
    } else if (*number != last_ + 1) {
      fail("expected line " + std::to_string(last_ + 1) + " of the story, or 1 for a new one, " +
           "found " + std::to_string(*number));
    }
    last_ = *number;
    const auto parts = split(line.substr(blank + 1), '\t');
    const std::string text(trimmed(parts.front()));
    if (text.empty()) fail("expected a text behind the number, found none");
    if (parts.size() == 1) {
      fact_of_line_[*number] = static_cast<std::int64_t>(facts_.size());
      facts_.push_back(text);
    } else {
      question(text, parts);
    }
  }

  std::vector<BabiQuestion> questions;

 private:
  void question(const std::string& text, const std::vector<std::string>& parts) {
    BabiQuestion question{
        static_cast<std::int64_t>(questions.size()), story_, facts_, text, {}, {}};
    question.answer = trimmed(parts[1]);
    if (parts.size() != 3 || question.answer.empty()) {
      fail("a question: expected \"text<tab>answer<tab>supporting lines\", found " +
           std::to_string(parts.size()) + " parts" +
           (question.answer.empty() ? " and no answer" : ""));
    }
    if (facts_.empty()) fail("a question: expected facts before it in its story, found none");
    for (const std::string& entry : split(trimmed(parts[2]), ' ')) {
      const auto line = parse_integer(entry);
      const auto fact = fact_of_line_.find(line.value_or(0));
      if (fact == fact_of_line_.end()) {
        fail("a question: expected numbers of lines of its story that are facts, found '" + entry +
             "'");
      }
      question.supporting.push_back(fact->second);
    }
    questions.push_back(std::move(question));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kData,
                *where_ + ": " + what + "; is this a task of bAbI v1.2, as its authors keep it?");
  }

  const std::string* where_ = nullptr;
  std::int64_t story_ = -1, last_ = 0;
  std::vector<std::string> facts_;
  std::map<std::int64_t, std::int64_t> fact_of_line_;
};

}  // namespace

std::vector<BabiQuestion> read_babi_questions(const std::filesystem::path& file) {
  ByteSource source(file, find_place(file));
  Reader reader;
  for (std::string line;;) {
    line.clear();
    const std::string where = source.where(source.line());
    if (!source.append_line(line, kLongestLine)) break;
    check_utf8(line, where);
    reader.line(line, where);
  }
  if (reader.questions.empty()) {
    throw Error(ErrorKind::kData, source.name() + ": expected questions, found none");
  }
  return std::move(reader.questions);
}

}  // namespace lethe::tasks
