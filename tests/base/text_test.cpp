// SPDX-License-Identifier: Apache-2.0
#include "harness/base/text.h"

#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe {
namespace {

TEST_CASE("invalid UTF-8 is found where it begins", "[unit]") {
  CHECK(first_invalid_utf8("plain, Käse, 水, 🙂") == std::nullopt);
  CHECK(first_invalid_utf8("ab\xff") == 2U);
  CHECK(first_invalid_utf8("a\xc3") == 1U);                 // cut short
  CHECK(first_invalid_utf8("\xc0\xaf") == 0U);              // overlong
  CHECK(first_invalid_utf8("\xe0\x80\xaf") == 0U);          // overlong
  CHECK(first_invalid_utf8("x\xed\xa0\x80") == 1U);         // surrogate
  CHECK(first_invalid_utf8("\xf4\x90\x80\x80") == 0U);      // beyond U+10FFFF
  CHECK(first_invalid_utf8("\xf0\x9f\x99\x82\x80") == 4U);  // lone continuation
}

TEST_CASE("text files must exist, hold something and be UTF-8", "[fault]") {
  const test::TempDir dir;
  const auto message = [](const std::filesystem::path& path) {
    try {
      read_text_file(path);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kData);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message(dir / "none").find("cannot open") != std::string::npos);
  CHECK(message(dir.path()).find("cannot open") != std::string::npos);
  std::ofstream(dir / "empty");
  CHECK(message(dir / "empty").find("is empty") != std::string::npos);
  std::ofstream(dir / "bad") << "good\xfe";
  CHECK(message(dir / "bad").find("byte 4 of") != std::string::npos);
}

TEST_CASE("files are replaced whole", "[unit]") {
  const test::TempDir dir;
  write_file_atomically(dir / "a", "one");
  write_file_atomically(dir / "a", "two");
  CHECK(read_file(dir / "a", ErrorKind::kData) == "two");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()),
                      std::filesystem::directory_iterator()) == 1);
  CHECK_THROWS_AS(write_file_atomically(dir / "no/such/folder", "x"), Error);
}

TEST_CASE("numbers are written for people", "[unit]") {
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(1234567) == "1,234,567");
  CHECK(with_thousands(-1000) == "-1,000");
  CHECK(human_duration(0.84) == "0.8 s");
  CHECK(human_duration(200) == "3 m 20 s");
  CHECK(human_duration(3840) == "1 h 04 m");
  CHECK(human_bytes(512) == "512 B");
  CHECK(human_bytes(1536) == "1.5 KiB");
  CHECK(fixed(1.005, 1) == "1.0");
  CHECK(split("a,,b", ',') == std::vector<std::string>{"a", "", "b"});
}

}  // namespace
}  // namespace lethe
