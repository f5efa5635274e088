// SPDX-License-Identifier: Apache-2.0
#include "tests/lint/text_rules.h"

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

constexpr std::size_t kMaxLines = 600;

const std::vector<SourceFile>& tree() {
  static const std::vector<SourceFile> files = read_source_tree(source_dir());
  return files;
}

std::map<std::string, std::string> forbidden() {
  return parse_forbidden(read_file(source_dir() / "tests/lint/forbidden.txt", ErrorKind::kConfig));
}

void none(const std::vector<std::string>& violations) {
  for (const std::string& violation : violations) FAIL_CHECK(violation);
}

TEST_CASE("the tree that is judged is the whole tree") {
  const auto has = [](const std::string& path) {
    return std::any_of(tree().begin(), tree().end(), [&](auto& file) { return file.path == path; });
  };
  CHECK(has("lethe"));
  CHECK(has("policies/policy.h"));
  CHECK(has("tests/lint/text_rules_test.cpp"));
  CHECK_FALSE(has(".deps/torch/torch/include/ATen/ATen.h"));
}

TEST_CASE("no source is longer than 600 lines") {
  none(too_long(tree(), kMaxLines));
}

TEST_CASE("every source names its licence") {
  none(without_licence(tree()));
}

TEST_CASE("no file names a machine, a package host or anything outside the repository") {
  none(with_forbidden_words(tree(), forbidden()));
}

TEST_CASE("every JSON file parses") {
  none(broken_json(tree()));
}

TEST_CASE("the model that is fetched is the one that is registered") {
  const json::value models = read_json_file(source_dir() / "data/models.json", ErrorKind::kData);
  const json::object& model = models.at("models").at(0).as_object();
  const std::string pin = "file " + std::string(model.at("path").as_string()).substr(6) + " " +
                          std::string(model.at("sha256").as_string()) + "\n";
  INFO("expected in cmake/pins.txt: " << pin);
  CHECK(read_file(source_dir() / "cmake/pins.txt", ErrorKind::kData).find(pin) !=
        std::string::npos);
}

TEST_CASE("a source that is too long is found") {
  std::string text;
  for (std::size_t line = 0; line <= kMaxLines; ++line) text += "int x;\n";
  CHECK(too_long({{"policies/x.cpp", text}}, kMaxLines).size() == 1);
  CHECK(too_long({{"script", "#!/bin/sh\n" + text}}, kMaxLines).size() == 1);
  CHECK(too_long({{"policies/x.cpp", text.substr(7)}}, kMaxLines).empty());
  CHECK(too_long({{"data/samples/x.txt", text}}, kMaxLines).empty());
}

TEST_CASE("a source without a licence line is found") {
  CHECK(without_licence({{"policies/x.cpp", "int x;\n"}}).size() == 1);
  CHECK(without_licence({{"script", "#!/bin/sh\necho\n"}}).size() == 1);
  CHECK(without_licence({{"policies/x.cpp", ""}}).size() == 1);
  CHECK(without_licence({{"x.sh", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"}}).empty());
  CHECK(without_licence({{"data/x.json", "{}"}}).empty());
}

TEST_CASE("each forbidden word is found") {
  REQUIRE(forbidden().size() > 5);
  for (const auto& [word, reason] : forbidden()) {
    const auto found = with_forbidden_words({{"x.md", "one\ntwo " + word + " x\n"}}, forbidden());
    REQUIRE(found.size() == 1);
    CHECK(found[0] == "x.md:2: '" + word + "': " + reason);
  }
  CHECK_THROWS_AS(parse_forbidden("word-without-reason\n"), Error);
}

TEST_CASE("broken JSON is found") {
  CHECK(broken_json({{"x.json", "{\"a\": 1,}"}}).size() == 1);
  CHECK(broken_json({{"x.jsonl", "{\"a\": 1}\n{\"a\"\n"}}).size() == 1);
  CHECK(broken_json({{"x.jsonl", "{\"a\": 1}\n{\"a\": 2}\n"}}).empty());
}

}  // namespace
}  // namespace lethe::test
