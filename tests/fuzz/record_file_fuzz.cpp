// SPDX-License-Identifier: Apache-2.0
// A data file. The first byte chooses what its name says; records are read, and archives unpacked.
#include "tasks/datasets/record_file.h"
#include "tests/fuzz/fuzz_support.h"

#include <array>
#include <fstream>

#include "tasks/datasets/unpack.h"

namespace {

using namespace lethe;
namespace fs = std::filesystem;

/// A folder of this process with the input in it, and nothing else.
class Scratch {
 public:
  Scratch() : folder_(fs::temp_directory_path() / ("lethe-fuzz-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~Scratch() { fs::remove_all(folder_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  fs::path put(const std::string& name, const std::uint8_t* bytes, std::size_t size) const {
    std::ofstream out(folder_ / name, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    return folder_ / name;
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

void read(const fs::path& file) {
  std::size_t records = 0;
  test::expect_errors(ErrorKind::kData, [&] {
    tasks::read_records(file, [&](const json::object&, const std::string& where) {
      if (!where.starts_with(file.string())) std::abort();
      ++records;
    });
    if (records == 0) std::abort();
  });
}

/// Whatever the archive holds: plain files and folders appear in `out`, and nothing anywhere else.
void unpack(const fs::path& folder, const fs::path& archive) {
  constexpr std::int64_t kMostBytes = 1 << 16;
  const fs::path out = folder / "out";
  std::vector<std::string> files;
  test::expect_errors(ErrorKind::kData, [&] {
    files = tasks::unpack(archive, out, {"out", "", kMostBytes}, [] { return false; });
    if (files.empty()) std::abort();
  });
  std::uintmax_t bytes = 0;
  if (fs::exists(out)) {
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      const auto status = entry.symlink_status();
      if (!fs::is_regular_file(status) && !fs::is_directory(status)) std::abort();
      if (fs::is_regular_file(status)) bytes += entry.file_size();
    }
  }
  if (bytes > kMostBytes) std::abort();
  fs::remove_all(out);
  fs::remove(archive);
  if (!fs::is_empty(folder)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array<const char*, 9> kNames{"a.jsonl",    "a.json",    "a.csv",
                                              "a.jsonl.gz", "a.json.xz", "a.csv.gz",
                                              "a.zip",      "a.tar",     "a.tar.gz"};
  const Scratch scratch;
  const std::string name = kNames[bytes[0] % kNames.size()];
  const auto file = scratch.put(name, bytes + 1, size - 1);
  const bool archive = name == "a.zip" || name.starts_with("a.tar");
  read(archive ? file / "data/a.jsonl" : file);
  if (archive) unpack(scratch.folder(), file);
  return 0;
}
