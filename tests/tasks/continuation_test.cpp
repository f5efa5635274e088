// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tasks/continuation.h"
#include "tasks/registry.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::test {
namespace {

/// "Generates" the letters a, b, c, … for every request, in reverse order of the requests.
class Alphabet final : public FormulaModel {
 public:
  models::GenerateTotals generate(std::span<const models::GenerateRequest> requests,
                                  const models::GenerateOptions& options,
                                  const models::GenerateDone& done) const override {
    for (std::size_t i = requests.size(); i-- > 0;) {
      if (options.last_sample && options.last_sample()) break;
      prompts.push_back(requests[i].prompt);
      lanes = options.lanes;
      models::GenerateResult result;
      for (std::int64_t t = 0; t < requests[i].max_new; ++t) result.ids.push_back('a' + t);
      result.prefill_seconds = 0.5;
      result.decode_seconds = 2;
      result.kv_bytes = 10;
      done(i, std::move(result));
    }
    return {};
  }
  mutable std::vector<std::vector<std::int64_t>> prompts;
  mutable std::int64_t lanes = 0;
};

json::object options_in(const TempDir& folder, json::object more = {}) {
  more["data"] = folder.path().string();
  return more;
}

TEST_CASE("a continuation's prompt is the window without its last tokens", "[unit]") {
  const TempDir folder;
  write_file_atomically(folder / "7.txt", "0123456789ABCDEFGHIJ");
  const auto task = tasks::make_task("continuation", options_in(folder, {{"new", 3}, {"lanes", 2}}),
                                     10, folder.path());
  CHECK(task->prompt_tokens() == 7);
  CHECK(task->generates());
  const ByteTokenizer tokenizer;
  const auto samples = task->samples(tokenizer);
  REQUIRE(samples.size() == 2);
  const Alphabet model;
  tasks::RunSettings settings;
  std::vector<std::string> ids, ended;
  for (const auto& sample : samples) ids.push_back(sample.id);
  bool stop = false;
  const tasks::SampleHooks hooks{[&] { return stop; }, [](const std::string&) { return nullptr; },
                                 [&](const std::string& id, const tasks::SampleOutcome& outcome) {
                                   ended.push_back(id);
                                   CHECK(outcome.output == "abc");
                                   CHECK(outcome.new_tokens == 3);
                                   CHECK(outcome.tokens_in == 7);
                                   CHECK(outcome.prefill_seconds == 0.5);
                                   CHECK(outcome.seconds == 2.5);
                                 }};
  task->run_all(ids, tokenizer, model, settings, hooks);
  CHECK(ended == std::vector<std::string>{"7/1", "7/0"});
  REQUIRE(model.prompts.size() == 3);  // a warm-up first
  const auto text = [](const std::vector<std::int64_t>& p) {
    return std::string(p.begin(), p.end());
  };
  CHECK(text(model.prompts[0]) == "0123456");
  CHECK(text(model.prompts[1]) == "ABCDEFG");
  CHECK(text(model.prompts[2]) == "0123456");
  CHECK(model.lanes == 2);

  stop = true;
  ended.clear();
  task->run_all(ids, tokenizer, model, settings, hooks);
  CHECK(ended.empty());
  CHECK(task->run("7/0", tokenizer, model, settings).output == "abc");
}

TEST_CASE("what decides a continuation is in its identity", "[unit]") {
  const TempDir folder;
  write_file_atomically(folder / "7.txt", "0123456789ABCDEFGHIJ");
  const auto identity = [&](json::object more) {
    return canonical_json(
        tasks::make_task("continuation", options_in(folder, std::move(more)), 10, folder.path())
            ->identity());
  };
  const auto plain = identity({{"new", 4}});
  CHECK(plain == identity({{"new", 4}, {"lanes", 8}}));
  CHECK(plain != identity({{"new", 5}}));
  CHECK(plain != identity({{"new", 4}, {"lanes", 4}}));
  CHECK(plain != identity({{"new", 4}, {"start", 1}}));
}

TEST_CASE("bad options of a continuation are refused by name", "[fault]") {
  const TempDir folder;
  write_file_atomically(folder / "7.txt", "0123456789ABCDEFGHIJ");
  const auto refused = [&](json::object more) -> std::string {
    try {
      tasks::make_task("continuation", options_in(folder, std::move(more)), 10, folder.path());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kConfig);
      return error.what();
    }
    return "accepted";
  };
  CHECK_THAT(refused({{"new", 10}}), Catch::Contains("leave no prompt in a window of 10"));
  CHECK_THAT(refused({{"new", 0}}), Catch::Contains("at least 1"));
  CHECK_THAT(refused({{"lanes", 0}}), Catch::Contains("lanes"));
  CHECK_THAT(refused({{"prompt", 5}}), Catch::Contains("leave it out"));
  CHECK_THAT(refused({{"nwe", 5}}), Catch::Contains("nwe"));
}

}  // namespace
}  // namespace lethe::test
