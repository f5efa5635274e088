// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

TEST_CASE("score gives the golden scores and keeps other members", "[cli][golden]") {
  const TempDir folder;
  for (const std::string name : {"longbench_qa_f1", "needle", "infinitebench", "ruler"}) {
    CAPTURE(name);
    const auto file = golden("scorers/" + name + ".jsonl");
    const auto outcome =
        shell("lethe score --in " + file.string() + " --out scored.jsonl", folder.path());
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out.empty());
    const auto cases = lines_of(read_text_file(file));
    const auto lines = lines_of(read_text_file(folder / "scored.jsonl"));
    REQUIRE(lines.size() == cases.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto expected = parse_json(cases[i], "golden", ErrorKind::kData);
      const auto got = parse_json(lines[i], "output", ErrorKind::kData);
      CAPTURE(cases[i]);
      CHECK(got.at("id") == expected.at("id"));
      if (expected.at("score").is_null()) {
        CHECK(got.at("score").is_null());
        CHECK(got.at("raises").is_string());
      } else {
        CHECK(std::abs(got.at("score").to_number<double>() -
                       expected.at("score").to_number<double>()) <= 1e-9);
      }
    }
  }
}

TEST_CASE("score reads and writes the standard streams", "[cli][integration]") {
  const TempDir folder;
  // U+0085 and U+2028 end no line.
  const auto outcome = shell(
      "printf '{\"prediction\": \"a\\302\\205b\\342\\200\\250c\", \"references\": \"b\"}\\n\\n' | "
      "lethe score --metric qa_f1_score --in - --out -",
      folder.path());
  CHECK(outcome.code == 0);
  const auto lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 1);
  CHECK(parse_json(lines[0], "output", ErrorKind::kData).at("score").to_number<double>() ==
        Approx(2.0 / 3));
}

TEST_CASE("what cannot be scored is refused with its file and line", "[cli][integration]") {
  const TempDir folder;
  const std::string good = R"({"metric": "qa_f1_score", "prediction": "a", "references": ["b"]})";
  const std::pair<std::string, std::string> wrong[] = {
      {R"({"prediction": "a", "references": ["b"]})", "expected a member \"metric\""},
      {R"({"metric": "qa_f1_scor", "prediction": "a", "references": ["b"]})",
       "did you mean 'qa_f1_score'"},
      {R"({"metric": "qa_f1_score", "references": ["b"]})", "prediction"},
      {R"({"metric": "qa_f1_score", "prediction": 1, "references": ["b"]})", "expected a string"},
      {"[1]", "in.jsonl:2"},
      {"{", "in.jsonl:2"},
      {"{\"prediction\": \"\xff\"}", "in.jsonl:2"}};
  for (const auto& [line, message] : wrong) {
    CAPTURE(line);
    write_file_atomically(folder / "in.jsonl", good + "\n" + line + "\n");
    const auto outcome = shell("lethe score --in in.jsonl --out out.jsonl", folder.path());
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains("in.jsonl:2") && Contains(message));
    CHECK_FALSE(std::filesystem::exists(folder / "out.jsonl"));
  }
  const auto slip = shell("lethe score --metric rouge_scor < /dev/null", folder.path());
  CHECK(slip.code == 2);
  CHECK_THAT(slip.err, Contains("did you mean 'rouge_score'"));
  const auto missing = shell("lethe score --in nowhere.jsonl", folder.path());
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, Contains("nowhere.jsonl"));
}

}  // namespace lethe::test
