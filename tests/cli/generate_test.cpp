// SPDX-License-Identifier: Apache-2.0
// lethe generate as a user meets it, and the KV dtype as an axis of a run.
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

namespace {

const std::string kGenerate = "lethe generate --model smollm2-135m --prompt p.txt ";

std::vector<json::object> objects(const std::string& text) {
  std::vector<json::object> out;
  for (const auto& line : lines_of(text)) {
    out.push_back(parse_json(line, "generate", ErrorKind::kData).as_object());
  }
  return out;
}

}  // namespace

TEST_CASE("generate streams text, and says the same as JSON", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "p.txt", "The first ten numbers are one, two, three,");
  const auto plain = shell(kGenerate + "--max-new 8", folder.path());
  CAPTURE(plain.err);
  REQUIRE(plain.code == 0);
  CHECK_THAT(plain.out, Catch::Contains("four, five"));
  CHECK_THAT(plain.err, Catch::Contains("8 new tokens"));
  const auto whole = objects(shell(kGenerate + "--max-new 8 --json", folder.path()).out);
  REQUIRE(whole.size() == 1);
  CHECK(std::string(whole[0].at("text").as_string()) + "\n" == plain.out);
  CHECK(whole[0].at("stop").as_string() == "length");
  CHECK(whole[0].at("ids").as_array().size() == 8);
  CHECK(whole[0].at("tokens_evicted").as_int64() == 0);

  // A stop text ends it wherever tokens end, and is no part of the text.
  const auto stopped = objects(
      shell(kGenerate + "--max-new 8 --json --stop ', fi' --stop nowhere", folder.path()).out);
  CHECK(stopped[0].at("stop").as_string() == "stop");
  CHECK(stopped[0].at("text").as_string() == " four");

  // The prompt may come from standard input, as text or as ids.
  const auto piped =
      shell("lethe generate --model smollm2-135m --prompt - --max-new 8 < p.txt", folder.path());
  CHECK(piped.out == plain.out);
  const auto ids = shell(
      "lethe tokenize --model smollm2-135m < p.txt | lethe generate --model smollm2-135m --tokens "
      "- "
      "--max-new 8",
      folder.path());
  CHECK(ids.out == plain.out);
}

TEST_CASE("a conversation is answered, and ends by itself", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "c.json",
                        R"([{"role": "user", "content": "What is the capital of France?"}])");
  const auto answer = objects(
      shell("lethe generate --model smollm2-135m --chat c.json --max-new 60 --json", folder.path())
          .out);
  REQUIRE(answer.size() == 1);
  CHECK_THAT(std::string(answer[0].at("text").as_string()), Catch::Contains("Paris"));
  CHECK(answer[0].at("stop").as_string() == "end");
  write_file_atomically(folder / "bad.json", "[3]");
  const auto bad = shell("lethe generate --model smollm2-135m --chat bad.json", folder.path());
  CHECK(bad.code == 2);
  CHECK_THAT(bad.err, Catch::Contains("messages[0]"));
}

TEST_CASE("drawn samples are the same alone, in any lanes, and again", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "p.txt", "Once upon a time there was a");
  const std::string drawn = kGenerate + "--max-new 6 --temperature 1 --top-k 50 --json ";
  const auto four = objects(shell(drawn + "--seed 3 --samples 4", folder.path()).out);
  REQUIRE(four.size() == 4);
  CHECK(four[0].at("ids") != four[1].at("ids"));
  const auto two_lanes =
      objects(shell(drawn + "--seed 3 --samples 4 --lanes 2", folder.path()).out);
  const auto alone = objects(shell(drawn + "--seed 3", folder.path()).out);
  const auto next = objects(shell(drawn + "--seed 4", folder.path()).out);
  for (std::size_t i = 0; i < 4; ++i) CHECK(two_lanes[i].at("ids") == four[i].at("ids"));
  CHECK(alone[0].at("ids") == four[0].at("ids"));
  CHECK(next[0].at("ids") != four[1].at("ids"));
}

TEST_CASE("a budget holds while tokens are generated", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "p.txt",
                        "It was the best of times, it was the worst of times, it was the age of "
                        "wisdom, it was the age of foolishness,");
  const std::string bounded = kGenerate + "--max-new 12 --budget 16 --json ";
  // 30 layers, 3 KV heads, 16 tokens, keys and values of 64 numbers.
  const std::int64_t numbers = 30 * 3 * 16 * 2 * 64;
  const auto exact = objects(shell(bounded + "--policy tova", folder.path()).out)[0];
  CHECK(exact.at("kept_max").as_int64() == 16);
  CHECK(exact.at("kv_bytes").as_int64() == numbers * 4);
  const auto narrow = objects(
      shell(bounded + "--policy tova --kv-dtype int8 --schedule every:4", folder.path()).out)[0];
  CHECK(narrow.at("tokens_evicted").as_int64() > 0);
  CHECK(narrow.at("kv_bytes").as_int64() < numbers * 2);
}

TEST_CASE("generate says when a text is longer than the model was trained for", "[cli]") {
  const TempDir folder;
  std::filesystem::copy(golden("tiny/llama_mha"), folder / "m");  // trained for 256
  write_file_atomically(folder / "m/tokenizer.json",
                        R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})");
  const auto told = [&](const std::string& new_tokens) {
    const auto outcome = shell(
        "echo 0 1 0 1 | lethe generate --model m --tokens - --ignore-end "
        "--max-new " +
            new_tokens,
        folder.path());
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    return outcome.err.find("the text is 257 tokens long, the model was trained for 256\n") !=
           std::string::npos;
  };
  CHECK(told("253"));
  CHECK_FALSE(told("252"));
}

TEST_CASE("generate says what is wrong", "[cli][fault]") {
  const TempDir folder;
  write_file_atomically(folder / "p.txt", "Hello");
  write_file_atomically(folder / "empty.txt", "");
  write_file_atomically(folder / "ids.txt", "5 99999999");
  const auto refused = [&](const std::string& line, const std::string& what) {
    const auto outcome = shell(line, folder.path());
    CAPTURE(line, outcome.err);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Catch::Contains(what));
    CHECK(outcome.out.empty());
  };
  const std::string model = "lethe generate --model smollm2-135m ";
  refused(model, "expected one of --prompt FILE, --tokens FILE and --chat FILE");
  refused(model + "--prompt empty.txt", "the prompt is empty");
  refused(model + "--prompt none.txt", "none.txt");
  refused(model + "--tokens ids.txt", "99999999");
  refused(kGenerate + "--policy tova", "needs a budget");
  refused(kGenerate + "--policy tovva --budget 8", "did you mean 'tova'?");
  refused(kGenerate + "--schedule every:0", "every:m");
  refused(kGenerate + "--kv-dtype int88", "did you mean 'int8'?");
  refused(kGenerate + "--top-p 0.9", "give --temperature too");
  refused(kGenerate + "--temperature -1", "temperature");
  refused(kGenerate + "--temperature warm", "expected a number, found 'warm'");
  refused(kGenerate + "--policy h2o-oracle --budget 8", "looks at the whole text");
}

TEST_CASE("continuations are stored with their rates, and verified", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "c.json", R"({"name": "c", "models": ["smollm2-135m"],
    "tasks": [{"name": "continuation", "books": ["860"], "windows": 3, "new": 6, "lanes": 2}],
    "policies": ["full", "tova"], "budgets": [24], "lengths": [40], "schedules": ["every:2"],
    "overrides": [{"when": {"policies": ["full"]}, "set": {"schedules": ["exact"]}}],
    "dtypes": ["float32"], "seeds": [0]})");
  const auto run = shell(
      "lethe run c.json --db c.db && lethe query --db c.db --format csv \"SELECT count(*), "
      "min(ttft_ms) > 0, min(prefill_tokens_per_s) > 0, min(decode_tokens_per_s) > 0, "
      "min(length(output)) > 0, max(tokens_in) FROM samples\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  CHECK_THAT(run.out, Catch::Contains("6,1,1,1,1,34"));
  const auto again = shell("lethe verify --db c.db --rerun --share 100", folder.path());
  CAPTURE(again.err, again.out);
  CHECK(again.code == 0);
  CHECK_THAT(again.out, Catch::Contains("6 identical in every bit"));
  for (const std::string wrong : {"positions=cache-relative", "policies=h2o-oracle"}) {
    CHECK(shell("lethe run c.json --db d.db --set " + wrong, folder.path()).code == 2);
  }
}

TEST_CASE("KV dtypes are an axis of a run", "[cli][integration]") {
  const TempDir folder;
  const auto run = shell(
      "lethe run smoke --db kv.db --set policies=tova --set budgets=32 --set kv_dtypes=same,int8 "
      "&& "
      "lethe query --db kv.db --format csv \"SELECT c.kv_dtype, s.kv_bytes FROM samples s JOIN "
      "cells "
      "c USING (cell_key) ORDER BY 1, 2\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  const std::int64_t vectors = 30 * 3 * 32 * 2;
  CHECK_THAT(run.out, Catch::Contains("int8," + std::to_string(vectors * (64 + 4))));
  CHECK_THAT(run.out, Catch::Contains("same," + std::to_string(vectors * 64 * 4)));
}

}  // namespace lethe::test
