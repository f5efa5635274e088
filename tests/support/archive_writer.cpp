// SPDX-License-Identifier: Apache-2.0
#include "tests/support/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <memory>

#include "harness/base/error.h"
#include "tasks/datasets/utf8_locale.h"

namespace lethe::test {

namespace {

class Writer {
 public:
  explicit Writer(const std::filesystem::path& file) {
    const std::string name = file.filename().string();
    const auto ends = [&](std::string_view end) { return name.ends_with(end); };
    if (ends(".zip")) {
      check(archive_write_set_format_zip(handle_));
    } else if (name.find(".tar") != std::string::npos || ends(".tgz")) {
      check(archive_write_set_format_pax_restricted(handle_));
    } else {
      check(archive_write_set_format_raw(handle_));
    }
    if (ends(".gz") || ends(".tgz")) check(archive_write_add_filter_gzip(handle_));
    if (ends(".xz")) check(archive_write_add_filter_xz(handle_));
    check(archive_write_open_filename(handle_, file.c_str()));
  }
  ~Writer() { archive_write_free(handle_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void add(const WrittenMember& member) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname_utf8(entry.get(), member.path.c_str());
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    if (member.path.ends_with('/')) archive_entry_set_filetype(entry.get(), AE_IFDIR);
    if (member.device) archive_entry_set_filetype(entry.get(), AE_IFCHR);
    if (!member.symbolic_link.empty()) {
      archive_entry_set_filetype(entry.get(), AE_IFLNK);
      archive_entry_set_symlink_utf8(entry.get(), member.symbolic_link.c_str());
    }
    if (!member.hard_link.empty()) {
      archive_entry_set_hardlink_utf8(entry.get(), member.hard_link.c_str());
    }
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.bytes.size()));
    check(archive_write_header(handle_, entry.get()));
    const auto written = archive_write_data(handle_, member.bytes.data(), member.bytes.size());
    LETHE_ASSERT(written == static_cast<la_ssize_t>(member.bytes.size()), "cannot write");
  }
  void close() { check(archive_write_close(handle_)); }

 private:
  void check(int code) {
    if (code != ARCHIVE_OK) {
      throw Error(ErrorKind::kInternal, std::string("archive: ") + archive_error_string(handle_));
    }
  }
  const tasks::Utf8Locale locale_;
  archive* handle_ = archive_write_new();
};

}  // namespace

void write_archive(const std::filesystem::path& file, const std::vector<WrittenMember>& members) {
  Writer writer(file);
  for (const auto& member : members) writer.add(member);
  writer.close();
}

void write_compressed(const std::filesystem::path& file, std::string_view bytes) {
  Writer writer(file);
  writer.add({"data", std::string(bytes)});
  writer.close();
}

}  // namespace lethe::test
