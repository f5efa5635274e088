// SPDX-License-Identifier: Apache-2.0
// Samples of answer tasks out of the records of a benchmark's own files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"

namespace lethe::tasks {

/// One question with what belongs to it.
struct AnswerRecord {
  std::string id;                             ///< unique within a file
  std::string cluster;                        ///< the document: the unit of independence
  std::map<std::string, std::string> fields;  ///< what the prompt's placeholders stand for
  std::vector<std::string> references;        ///< at least one
  std::vector<std::string> classes;           ///< labels, for metrics that choose among them
  std::optional<std::int64_t> words;          ///< length as the benchmark states it
  std::optional<std::string> question;        ///< for metrics that look at it
};

/// Where a text lies in a record: members, separated by dots ("metadata.passage_id"). A list on the
/// way stands for all of its items, and "each." begins at the item that a sample is made of.
using FieldPath = std::string;

/// A text made of a list: "{speaker}: {content}" for every item, with "\n" between.
struct JoinedList {
  FieldPath list;
  std::string item;
  std::string between;
};

/// `text` with every "{name}" replaced by what `value_of` gives for the name; where it gives
/// nothing, and for any other brace, the text stays. What is put in is not looked at again.
std::string fill_template(
    std::string_view text,
    const std::function<std::optional<std::string>(std::string_view)>& value_of);

/// How records become samples.
///
/// {"each": ["general_query_list", "specific_query_list"],   lists: a sample per item
///  "id": "metadata.passage_id",         default: the number of the record, from 0
///  "fields": {"context": {"list": "meeting_transcripts", "item": "{speaker}: {content}",
///                         "between": "\n"},
///             "input": "each.query"},
///  "references": "each.answer", "classes": "all_classes", "words": "length"}
/// or, for a format that paths cannot describe, {"reader": "qasper"}.
struct RecordFields {
  std::vector<FieldPath> each;
  std::optional<FieldPath> id;
  std::map<std::string, FieldPath> texts;
  std::map<std::string, JoinedList> joined;
  FieldPath references;
  std::optional<FieldPath> classes;
  std::optional<FieldPath> words;
  /// Reads records in place of all that.
  std::vector<AnswerRecord> (*reader)(const json::value& record,
                                      const std::string& where) = nullptr;
  /// What a prompt may name.
  std::vector<std::string> names;

  /// Throws Error(kConfig) that names the member.
  static RecordFields parse(const json::value& value, const std::string& where);

  /// The samples of one record; `number` counts the records of the file from 0. An item's id is
  /// that of its record, "/" and its number. Throws Error(kData) that names `where`, the field,
  /// what was expected and what was found: a missing member, another type, a text with nothing in
  /// it where the prompt needs one, no reference.
  std::vector<AnswerRecord> samples(const json::value& record, std::size_t number,
                                    const std::string& where) const;
};

}  // namespace lethe::tasks
