// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/unpack.h"

#include <sys/stat.h>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "tests/support/archive_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::tasks {

using Catch::Matchers::Contains;
using test::write_archive;
using test::WrittenMember;
namespace fs = std::filesystem;

namespace {

bool never() {
  return false;
}

/// Every path below a folder, so that a test sees what was written anywhere in it.
std::vector<std::string> tree(const fs::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    paths.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Why an archive with these members is refused. Nothing may be written then, not even the folder.
std::string refusal(const std::string& name, const std::vector<WrittenMember>& members,
                    std::int64_t most_bytes = 1 << 20) {
  const test::TempDir folder;
  write_archive(folder / name, members);
  try {
    unpack(folder / name, folder / "deep" / "out", {"out", "", most_bytes}, never);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kData);
    CHECK_THAT(error.what(), Contains(name));
    CHECK(tree(folder.path()) == std::vector<std::string>{name});
    return error.what();
  }
  return "(no error)";
}

WrittenMember link(const std::string& path, const std::string& target) {
  WrittenMember member{path};
  member.symbolic_link = target;
  return member;
}

}  // namespace

TEST_CASE("archives are unpacked below a prefix", "[tasks][unit]") {
  for (const auto* name : {"a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz"}) {
    CAPTURE(name);
    const test::TempDir folder;
    write_archive(folder / name, {{"data/"},
                                  {"data/a.jsonl", "eins"},
                                  {"./data/en/Größe.txt", "zwei"},
                                  {"data/en/empty.txt", ""},
                                  {"__MACOSX/x", "left out"},
                                  {"database.txt", "left out"}});
    const auto files = unpack(folder / name, folder / "out", {"out", "data/", 1000}, never);
    CHECK(files == std::vector<std::string>{"a.jsonl", "en/Größe.txt", "en/empty.txt"});
    CHECK(tree(folder / "out") ==
          std::vector<std::string>{"a.jsonl", "en", "en/Größe.txt", "en/empty.txt"});
    CHECK(read_file(folder / "out/en/Größe.txt", ErrorKind::kData) == "zwei");
    const auto all = unpack(folder / name, folder / "all", {"all", "", 1000}, never);
    CHECK(all.size() == 5);
    CHECK_THROWS_WITH(unpack(folder / name, folder / "no", {"no", "other/", 1000}, never),
                      Contains("expected files below 'other/', found none"));
    CHECK_FALSE(fs::exists(folder / "no"));
  }
}

TEST_CASE("members that lead elsewhere are refused by name", "[tasks][unit]") {
  const WrittenMember good{"good.txt", "good"};
  for (const auto* name : {"a.zip", "a.tar", "a.tar.gz"}) {
    CAPTURE(name);
    const auto with = [&](const WrittenMember& bad) { return refusal(name, {good, bad}); };
    CHECK_THAT(with({"/tmp/absolute.txt", "x"}),
               Contains("'/tmp/absolute.txt'") && Contains("absolute"));
    CHECK_THAT(with({"../up.txt", "x"}), Contains("'../up.txt'") && Contains("'..'"));
    CHECK_THAT(with({"a/../../up.txt", "x"}), Contains("'a/../../up.txt'") && Contains("'..'"));
    CHECK_THAT(with({"../"}), Contains("'..'"));
    CHECK_THAT(with({"a\\..\\b.txt", "x"}), Contains("b.txt' is refused"));
    CHECK_THAT(with({"line\nbreak", "x"}), Contains("control character"));
    CHECK_THAT(with(link("out", "/etc")),
               Contains("'out'") && Contains("symbolic link") && Contains("/etc"));
    CHECK_THAT(with(good), Contains("'good.txt'") && Contains("twice"));
    CHECK_THAT(with({"./good.txt", "x"}), Contains("twice"));
    CHECK_THAT(with({"good.txt/inside", "x"}), Contains("'good.txt' is a file"));
  }
  // libarchive makes a slash of it in a zip. Links and devices are kinds that only tar has.
  CHECK_THAT(refusal("a.tar", {good, {"a\\b.txt", "x"}}), Contains("backslash"));
  WrittenMember hard{"hard"};
  hard.hard_link = "good.txt";
  CHECK_THAT(refusal("a.tar", {good, hard}), Contains("'hard'") && Contains("hard link"));
  WrittenMember device{"device"};
  device.device = true;
  CHECK_THAT(refusal("a.tar", {good, device}), Contains("'device'") && Contains("device"));
  // A link first and then a file "through" it.
  CHECK_THAT(refusal("a.tar", {link("d", "/tmp"), {"d/x", "x"}}), Contains("symbolic link"));
}

TEST_CASE("archives that grow beyond their limit are refused", "[tasks][unit]") {
  const std::string zeros(500000, '\0');  // a few hundred bytes when compressed
  for (const auto* name : {"a.zip", "a.tar.gz", "a.tar.xz"}) {
    CAPTURE(name);
    CHECK_THAT(refusal(name, {{"a", zeros}, {"b", zeros}}, 999999),
               Contains("'b'") && Contains("more than"));
    const test::TempDir folder;
    write_archive(folder / name, {{"a", zeros}, {"b", zeros}});
    CHECK(unpack(folder / name, folder / "out", {"out", "", 1000000}, never).size() == 2);
  }
}

TEST_CASE("a zip that lies about its sizes is stopped by what it writes", "[tasks][unit]") {
  const test::TempDir folder;
  const std::string zeros(500000, '\0');
  write_archive(folder / "a.zip", {{"a", zeros}});
  auto bytes = read_file(folder / "a.zip", ErrorKind::kData);
  // The unpacked size stands, little-endian, in the directory and perhaps before the data.
  const std::string size("\x20\xa1\x07\x00", 4), lie("\x01\x00\x00\x00", 4);
  int changed = 0;
  for (auto at = bytes.find(size); at != std::string::npos; at = bytes.find(size, at)) {
    bytes.replace(at, 4, lie);
    ++changed;
  }
  REQUIRE(changed > 0);
  write_file_atomically(folder / "a.zip", bytes);
  CHECK_THROWS_AS(unpack(folder / "a.zip", folder / "out", {"out", "", 100000}, never), Error);
  const fs::path written = folder / "out" / "a";
  CHECK((!fs::exists(written) || fs::file_size(written) <= 100000));
}

TEST_CASE("cut-short archives are refused", "[tasks][unit]") {
  std::string text;
  for (std::uint32_t i = 1; i < 30000; ++i) text += std::to_string(i * 2654435761U);
  for (const auto* name : {"a.zip", "a.tar.gz", "a.tar.xz", "a.tar"}) {
    CAPTURE(name);
    const test::TempDir folder;
    write_archive(folder / name, {{"a", text}, {"b", text}});
    const auto bytes = read_file(folder / name, ErrorKind::kData);
    write_file_atomically(folder / name, bytes.substr(0, bytes.size() / 3));
    CHECK_THROWS_WITH(unpack(folder / name, folder / "out", {"out", "", 10000000}, never),
                      Contains(name));
  }
}

TEST_CASE("unpacked files are plain, whatever the archive says", "[tasks][unit]") {
  const test::TempDir folder;
  write_archive(folder / "a.tar", {{"a", "x"}});
  unpack(folder / "a.tar", folder / "out", {"out", "", 10}, never);
  struct stat info {};
  REQUIRE(stat((folder / "out/a").c_str(), &info) == 0);
  CHECK((info.st_mode & 07133) == 0);
  // An existing folder is not written into.
  CHECK_THROWS_AS(unpack(folder / "a.tar", folder / "out", {"out", "", 10}, never), Error);
  CHECK_THROWS_WITH(unpack(folder / "a.tar", folder / "new", {"new", "", 10}, [] { return true; }),
                    Contains("interrupted"));
}

}  // namespace lethe::tasks
