// SPDX-License-Identifier: Apache-2.0
// Records of the owners' data files: JSON lines, JSON and CSV, plain, compressed or in an archive.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "harness/base/json.h"

namespace lethe::tasks {

/// Called once per record, in the order of the file. `where` names the place for messages:
/// "FILE:LINE", with the record's number or name for JSON that is no JSON lines.
using RecordUse = std::function<void(json::object record, const std::string& where)>;

/// Reads a file record by record; only the record at hand is in memory. What the name ends in
/// decides how it is read, behind an optional .gz or .xz:
///
/// - .jsonl, .ndjson: one object a line. Only "\n" ends a line (texts hold raw U+0085 and U+2028);
///   blank lines are passed over.
/// - .json: a list of objects, each a record; or an object whose members are objects, each a
/// record,
///   or lists of objects, each of which is one. There the member's name goes into the record as
///   "_key", unless it has a member of that name: QASPER's papers are found by it.
/// - .csv: RFC 4180 with a line of names first. Every value is a string; lines may end in "\r\n" or
///   "\n".
///
/// A member of a .zip or .tar archive (.tar.gz, .tgz, .tar.xz, .txz, .tar.bz2, .tar.zst) is named
/// by going on behind the archive: "data.zip/data/qasper.jsonl". Of several members of one name the
/// first is read. A member is not unpacked twice: a .gz inside an archive is refused.
///
/// A UTF-8 byte order mark at the beginning is passed over. Throws Error(kData) that names file and
/// line: no file, no such member (with a suggestion), an unknown ending, bytes that are no UTF-8 or
/// NUL, broken JSON, something else than an object, fields that do not fit the header, a damaged or
/// cut-short archive, a record of more than 1 GiB, no record at all. What `use` throws passes
/// through.
void read_records(const std::filesystem::path& file, const RecordUse& use);

/// SHA-256 (64 hex digits) of the unpacked bytes of such a file, a byte order mark left out: the
/// same however it is packed. sha256_file() names the bytes as stored. Throws Error(kData) as
/// above.
std::string content_sha256(const std::filesystem::path& file);

}  // namespace lethe::tasks
