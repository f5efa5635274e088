// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/byte_source.h"

#include <algorithm>
#include <cstring>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBufferBytes = 1 << 16;
/// Names of members that a message lists.
constexpr std::size_t kListedMembers = 30;

std::string plain_member(const std::string& path) {
  return path.starts_with("./") ? path.substr(2) : path;
}

}  // namespace

DataPlace find_place(const fs::path& path) {
  std::error_code ec;
  fs::path file = path;
  while (!file.empty() && !fs::exists(file, ec) && file != file.parent_path()) {
    file = file.parent_path();
  }
  if (!fs::exists(file, ec) || (file != path && fs::is_directory(file, ec))) {
    throw Error(ErrorKind::kData, "cannot open " + path.string() + ": no such file");
  }
  if (fs::is_directory(file, ec)) {
    throw Error(ErrorKind::kData,
                "cannot open " + path.string() + ": expected a data file, found a folder");
  }
  const std::string member =
      file == path ? "" : path.lexically_normal().lexically_relative(file.lexically_normal());
  const bool archive = holds_members(packing_of(file));
  if (!archive && !member.empty()) {
    throw Error(ErrorKind::kData, "cannot open " + path.string() + ": " + file.string() +
                                      " is no archive (.zip, .tar.…) that could hold " + member);
  }
  return {file, member};
}

ByteSource::ByteSource(const fs::path& path, const DataPlace& place)
    : name_(path.string()), reader_(place.file), buffer_(kBufferBytes) {
  if (holds_members(packing_of(place.file))) {
    find_member(place.member);
  } else {
    reader_.next();
  }
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (fill() && std::string_view(buffer_.data(), filled_).starts_with(mark)) at_ = mark.size();
}

void ByteSource::find_member(const std::string& member) {
  std::vector<std::string> known;
  while (const auto found = reader_.next()) {
    const std::string path = plain_member(found->path);
    if (path == member) {
      if (found->kind == MemberKind::kFile) return;
      throw Error(ErrorKind::kData, name_ +
                                        ": expected a file in the archive, found a folder, link "
                                        "or device of that name");
    }
    if (found->kind == MemberKind::kFile) known.push_back(path);
  }
  if (!member.empty()) {
    const auto closest = closest_name(member, known);
    if (known.size() > kListedMembers) known.resize(kListedMembers);
    throw Error(ErrorKind::kData, name_ + ": the archive has no member '" + member + "'" +
                                      (closest ? "; did you mean '" + *closest + "'?" : ";") +
                                      " it holds: " + join(known, ", "));
  }
  if (known.size() > kListedMembers) known.resize(kListedMembers);
  throw Error(ErrorKind::kData, name_ + " is an archive: name a member, as in " + name_ + "/" +
                                    (known.empty() ? "data.jsonl" : known.front()) +
                                    "; it holds: " + join(known, ", "));
}

bool ByteSource::fill() {
  at_ = 0;
  filled_ = reader_.read(buffer_.data(), buffer_.size());
  return filled_ > 0;
}

bool ByteSource::append_line(std::string& line, std::size_t limit) {
  if (peek() == kEnd) return false;
  const std::int64_t number = line_;
  while (peek() != kEnd) {
    const char* begin = buffer_.data() + at_;
    const auto* end = static_cast<const char*>(std::memchr(begin, '\n', filled_ - at_));
    const std::size_t count = end ? static_cast<std::size_t>(end - begin) : filled_ - at_;
    if (line.size() + count > limit) {
      throw Error(ErrorKind::kData, where(number) + ": expected at most " +
                                        human_bytes(static_cast<double>(limit)) +
                                        " in a line, found more; is the file what it should be?");
    }
    line.append(begin, count);
    at_ += count + (end ? 1 : 0);
    if (end) {
      ++line_;
      return true;
    }
  }
  return true;
}

}  // namespace lethe::tasks
