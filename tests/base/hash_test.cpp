// SPDX-License-Identifier: Apache-2.0
#include "harness/base/hash.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/mapped_file.h"
#include "harness/base/seed.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe {
namespace {

TEST_CASE("SHA-256 gives the vectors of FIPS 180", "[golden]") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256().update("a").update("bc").hex() == sha256_hex("abc"));
}

TEST_CASE("a remembered hash follows the file", "[unit]") {
  const test::TempDir dir;
  const auto path = dir / "weights";
  std::ofstream(path) << "one";
  CHECK(sha256_file_cached(path) == sha256_hex("one"));
  CHECK(sha256_file_cached(path) == sha256_hex("one"));
  std::ofstream(path) << "another length";
  CHECK(sha256_file_cached(path) == sha256_hex("another length"));
  CHECK_THROWS_AS(sha256_file_cached(dir / "none"), Error);
  CHECK_THROWS_AS(sha256_file(dir / "none"), Error);
}

TEST_CASE("hashes are right where they cannot be remembered, and where the memory is damaged") {
  const test::TempDir dir;
  const auto path = dir / "weights";
  std::ofstream(path) << "one";
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string kept = before ? before : "";
  // A file stands where the folder should be.
  std::ofstream(dir / "no-folder") << "x";
  setenv("XDG_CACHE_HOME", (dir / "no-folder").c_str(), 1);
  CHECK(sha256_file_cached(path) == sha256_hex("one"));
  setenv("XDG_CACHE_HOME", (dir / "cache").c_str(), 1);
  CHECK(sha256_file_cached(path) == sha256_hex("one"));
  int entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "cache/lethe/sha256")) {
    std::ofstream(entry.path()) << "half a ha";
    ++entries;
  }
  CHECK(entries == 1);
  CHECK(sha256_file_cached(path) == sha256_hex("one"));
  if (before) {
    setenv("XDG_CACHE_HOME", kept.c_str(), 1);
  } else {
    unsetenv("XDG_CACHE_HOME");
  }
}

TEST_CASE("mapped files refuse what cannot be mapped", "[fault]") {
  const test::TempDir dir;
  CHECK_THROWS_AS(MappedFile(dir / "none", ErrorKind::kModel), Error);
  CHECK_THROWS_AS(MappedFile(dir.path(), ErrorKind::kModel), Error);
  std::ofstream(dir / "empty");
  CHECK_THROWS_AS(MappedFile(dir / "empty", ErrorKind::kModel), Error);
  std::ofstream(dir / "x") << "abc";
  MappedFile file(dir / "x", ErrorKind::kModel);
  const MappedFile moved = std::move(file);
  CHECK(moved.bytes().size() == 3);
  CHECK(static_cast<char>(moved.bytes()[2]) == 'c');
}

TEST_CASE("streams of random numbers are fixed for ever", "[golden]") {
  // SplitMix64 from seed 1234567 (the reference program's published outputs).
  RandomStream stream(1234567);
  CHECK(stream.next() == 6457827717110365317ULL);
  CHECK(stream.next() == 3203168211198807973ULL);
  CHECK(stream.next() == 9817491932198370423ULL);
  CHECK(derive_seed(0, "a") != derive_seed(1, "a"));
  CHECK(derive_seed(0, "a") != derive_seed(0, "b"));
  CHECK(derive_seed(0, "a") == derive_seed(0, "a"));
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 300; ++i) {
    const auto value = stream.below(7);
    CHECK(value < 7);
    seen.insert(value);
    const double u = stream.uniform();
    CHECK((u >= 0 && u < 1));
  }
  CHECK(seen.size() == 7);
}

TEST_CASE("times are written in UTC", "[unit]") {
  CHECK(utc_text(0) == "1970-01-01T00:00:00Z");
  CHECK(utc_text(1764093600999) == "2025-11-25T18:00:00Z");
  const double before = system_clock().steady_seconds();
  CHECK(before <= system_clock().steady_seconds());
}

}  // namespace
}  // namespace lethe
