// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

TEST_CASE("tokenize --jsonl gives the golden ids and keeps other members", "[cli][golden]") {
  const TempDir folder;
  const auto cases = lines_of(read_file(golden("tokenizer/smollm2_bpe.jsonl"), ErrorKind::kData));
  REQUIRE(cases.size() > 300);
  std::ofstream in(folder / "in.jsonl");
  for (const auto& line : cases) {
    const auto value = parse_json(line, "golden", ErrorKind::kData);
    in << json::serialize(json::object{{"text", value.at("text")}, {"mark", "kept"}}) << '\n';
  }
  in.close();
  for (const std::string option : {"", "--no-special"}) {
    const auto outcome = shell(
        "lethe tokenize --model smollm2-135m --jsonl " + option + " < in.jsonl", folder.path());
    REQUIRE(outcome.code == 0);
    const auto lines = lines_of(outcome.out);
    REQUIRE(lines.size() == cases.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto expected = parse_json(cases[i], "golden", ErrorKind::kData);
      const auto got = parse_json(lines[i], "output", ErrorKind::kData);
      CAPTURE(cases[i]);
      CHECK(got.at("ids") == expected.at(option.empty() ? "ids_special" : "ids"));
      CHECK(got.at("mark") == "kept");
    }
  }
}

TEST_CASE("tokenize --chat gives the golden texts and ids", "[cli][golden]") {
  const TempDir folder;
  const auto cases = lines_of(read_file(golden("tokenizer/chat_template.jsonl"), ErrorKind::kData));
  REQUIRE(cases.size() == 10);
  for (const auto& line : cases) {
    CAPTURE(line);
    const auto expected = parse_json(line, "golden", ErrorKind::kData);
    const json::object chat{{"messages", expected.at("messages")},
                            {"add_generation_prompt", expected.at("add_generation_prompt")}};
    write_file_atomically(folder / "chat.json", json::serialize(chat));
    const auto outcome =
        shell("lethe tokenize --model smollm2-135m --chat chat.json --json", folder.path());
    REQUIRE(outcome.code == 0);
    const auto got = parse_json(outcome.out, "output", ErrorKind::kData);
    CHECK(got.at("ids") == expected.at("ids"));
    CHECK(got.at("text") == expected.at("rendered"));
  }
  const auto text =
      shell("lethe tokenize --model smollm2-135m --chat - --text < chat.json", folder.path());
  CHECK(text.code == 0);
  CHECK(text.out ==
        parse_json(cases.back(), "golden", ErrorKind::kData).at("rendered").as_string());
}

TEST_CASE("what is no conversation is refused with its place", "[cli][integration]") {
  const TempDir folder;
  const std::pair<std::string, std::string> wrong[] = {
      {"[1]", "messages[0]: expected an object"},
      {"{}", "messages"},
      {"5", "expected a list of messages"},
      {"[{\"role\": \"user\"}]",
       "tokenizer.chat_template: line 4, column 3: expected values that fit"}};
  for (const auto& [text, message] : wrong) {
    CAPTURE(text);
    write_file_atomically(folder / "chat.json", text);
    const auto outcome =
        shell("lethe tokenize --model smollm2-135m --chat chat.json", folder.path());
    CHECK(outcome.code != 0);
    CHECK_THAT(outcome.err, Catch::Matchers::Contains(message));
  }
  for (const std::string option : {"--decode", "--jsonl", "--no-special"}) {
    CAPTURE(option);
    CHECK(shell("lethe tokenize --model smollm2-135m --chat - " + option, folder.path()).code == 2);
  }
  CHECK(shell("lethe tokenize --model smollm2-135m --text", folder.path()).code == 2);
}

TEST_CASE("a text survives encoding and decoding byte for byte", "[cli][integration]") {
  const TempDir folder;
  const std::string text =
      "Lethe: \xe2\x80\x9c"
      "forget\xe2\x80\x9d, 1900 \xf0\x9f\x8c\x8a\n\n  twice\t.\n";
  write_file_atomically(folder / "text", text);
  const auto there = shell("lethe tokenize --model smollm2-135m < text > ids", folder.path());
  CHECK(there.code == 0);
  const auto back = shell("lethe tokenize --model smollm2-135m --decode < ids", folder.path());
  CHECK(back.code == 0);
  CHECK(back.out == text);
  const auto as_json =
      parse_json(shell("lethe tokenize --model smollm2-135m --json < text", folder.path()).out,
                 "output", ErrorKind::kData);
  CHECK(as_json.at("tokens").as_int64() ==
        static_cast<std::int64_t>(as_json.at("ids").as_array().size()));
}

TEST_CASE("a folder with a tokenizer alone is enough to tokenize", "[cli][integration]") {
  const TempDir folder;
  const std::string model = golden("tokenizer/minilm").string();
  const auto there = shell("printf 'hello world' | lethe tokenize --model " + model, folder.path());
  CHECK(there.code == 0);
  CHECK(there.out == "7592 2088\n");
  const auto back =
      shell("echo 7592 2088 | lethe tokenize --decode --model " + model, folder.path());
  CHECK(back.out == "hello world");
}

}  // namespace lethe::test
