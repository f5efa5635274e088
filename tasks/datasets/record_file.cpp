// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/record_file.h"

#include <algorithm>
#include <utility>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tasks/datasets/byte_source.h"
#include "tasks/datasets/csv_reader.h"
#include "tasks/datasets/json_pieces.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

/// Far above any real record; a compressed file of one endless line must not take all memory.
constexpr std::size_t kLongestRecord = std::size_t{1} << 30;

enum class RecordForm { kLines, kJson, kCsv };

RecordForm form_of(const fs::path& path, const DataPlace& place) {
  fs::path name = place.member.empty() ? place.file : fs::path(place.member);
  const Packing packing = packing_of(name);
  if (!place.member.empty() && packing != Packing::kNone) {
    throw Error(ErrorKind::kData, path.string() +
                                      ": a packed file inside an archive is not read; "
                                      "unpack the archive first");
  }
  if (packing == Packing::kGzip || packing == Packing::kXz) name.replace_extension();
  const std::string end = name.extension().string();
  if (end == ".jsonl" || end == ".ndjson") return RecordForm::kLines;
  if (end == ".json") return RecordForm::kJson;
  if (end == ".csv") return RecordForm::kCsv;
  throw Error(ErrorKind::kData,
              path.string() +
                  ": cannot tell what records it holds; expected a name that ends in "
                  ".jsonl, .json or .csv, or in one of these and .gz or .xz" +
                  (end.empty() ? "" : ", found '" + end + "'"));
}

/// A record's text to an object.
json::object parse_record(std::string_view text, const std::string& where) {
  check_utf8(text, where);
  if (text.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::kData, where +
                                      ": expected text, found a NUL byte; the file is damaged: "
                                      "get it again");
  }
  json::value value;
  try {
    value = parse_json(text, where, ErrorKind::kData);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string(error.what()) +
                                  "; the file is damaged or cut short: get it again, or mend the "
                                  "record");
  }
  if (!value.is_object()) {
    throw Error(ErrorKind::kData,
                where + ": expected an object, found " + std::string(describe_type(value)));
  }
  return std::move(value.as_object());
}

std::int64_t read_lines(ByteSource& source, const RecordUse& use) {
  std::int64_t records = 0;
  std::string line;
  while (true) {
    const auto number = source.line();
    line.clear();
    if (!source.append_line(line, kLongestRecord)) return records;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto where = source.where(number);
    use(parse_record(line, where), where);
    ++records;
  }
}

std::int64_t read_json(ByteSource& source, const RecordUse& use) {
  std::int64_t records = 0;
  JsonPieces pieces(source, kLongestRecord);
  while (auto piece = pieces.next()) {
    const auto where = source.where(piece->line) + " (record " + piece->place + ")";
    auto record = parse_record(piece->text, where);
    if (piece->key && !record.contains("_key")) record["_key"] = *piece->key;
    use(std::move(record), where);
    ++records;
  }
  return records;
}

std::int64_t read_csv(ByteSource& source, const RecordUse& use) {
  std::int64_t records = 0;
  CsvReader rows(source, kLongestRecord);
  std::vector<std::string> fields;
  while (rows.next(fields)) {
    json::object record;
    for (std::size_t i = 0; i < fields.size(); ++i) record[rows.names()[i]] = fields[i];
    use(std::move(record), source.where(rows.line()));
    ++records;
  }
  return records;
}

}  // namespace

void read_records(const fs::path& file, const RecordUse& use) {
  const auto place = find_place(file);
  ByteSource source(file, place);
  const RecordForm form = form_of(file, place);
  const std::int64_t records = form == RecordForm::kLines  ? read_lines(source, use)
                               : form == RecordForm::kJson ? read_json(source, use)
                                                           : read_csv(source, use);
  if (records == 0) {
    throw Error(ErrorKind::kData,
                file.string() + ": expected records, found none; get the file again");
  }
}

std::string content_sha256(const fs::path& file) {
  ByteSource source(file, find_place(file));
  Sha256 hash;
  for (auto block = source.take_block(); !block.empty(); block = source.take_block()) {
    hash.update(block);
  }
  return hash.hex();
}

}  // namespace lethe::tasks
