// SPDX-License-Identifier: Apache-2.0
// The tasks babilong-qaN: official prompts, exact lengths, both scorers, and segments.
#include <algorithm>
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/rmt/recurrent_model.h"
#include "tasks/answers.h"
#include "tasks/memory/babilong_prompts.h"
#include "tasks/registry.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/answering.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;
using test::run;

/// A folder of one small book.
class Shelf {
 public:
  Shelf() {
    std::string book;
    for (int i = 0; i < 60; ++i) book += "This is sentence " + std::to_string(i) + " of it.\n";
    write_file_atomically(folder_ / "1.txt", book);
  }
  std::unique_ptr<Task> task(const std::string& name, std::int64_t length,
                             json::object options = {}) const {
    options["background"] = folder_.path().string();
    return make_task("babilong-" + name, options, length, test::source_dir());
  }

 private:
  test::TempDir folder_;
};

TEST_CASE("facts alone give the prompts of BABILong's own program", "[golden]") {
  int cases = 0;
  for (const auto& golden : test::golden_lines("prompts/babilong.jsonl")) {
    const std::string name = test::text_of(golden.at("task"));
    const auto id = name + "/" + std::to_string(golden.at("index").as_int64());
    CAPTURE(id);
    const auto task = make_task("babilong-" + name, {{"facts_only", true}, {"samples", 100}}, 8000,
                                test::source_dir());
    const test::ByteTokenizer tokenizer;
    const test::Answering model(test::text_of(golden.at("target")) + ".");
    RunSettings settings;
    settings.policy = policies::known_policies().resolve("full");
    settings.evaluate.schedule = policies::Schedule::parse("post-prompt");
    const auto outcome = task->run(id, tokenizer, model, settings);
    REQUIRE(model.asked.size() == 1);
    const auto& prompt = model.asked.front().prompt;
    CHECK(std::string(prompt.begin(), prompt.end()) == test::text_of(golden.at("prompt")));
    CHECK(model.asked.front().max_new == 20);
    CHECK(outcome.score == 1.0);
    const auto output = parse_json(outcome.output, "output", ErrorKind::kData);
    CHECK(output.at("fact_tokens").as_array().size() ==
          static_cast<std::size_t>(golden.at("facts").as_int64()));
    ++cases;
  }
  CHECK(cases == 10);
}

TEST_CASE("a prompt has exactly the tokens of the cell's length", "[unit]") {
  const Shelf shelf;
  for (const std::int64_t length : {1900, 1901, 4096}) {
    const auto task = shelf.task("qa1", length, {{"samples", 20}});
    const auto ran = run(*task, "The most recent location of Mary is office.", "tova", 64);
    REQUIRE(ran.asked.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      CAPTURE(length, i);
      REQUIRE(ran.outcomes[i].tokens_in == length);
      REQUIRE(static_cast<std::int64_t>(ran.asked[i].prompt.size()) == length);
      const std::string prompt = ran.prompt(i);
      const auto output = ran.output(i);
      REQUIRE_THAT(prompt, Contains("\n\n<context>\n") && Contains("\n</context>\n\nQuestion: "));
      REQUIRE(prompt.ends_with("Question: " + std::string(output.at("question").as_string())));
      for (const auto& at : output.at("fact_tokens").as_array()) {
        const auto from = static_cast<std::size_t>(at.as_int64());
        REQUIRE((prompt[from - 1] == '\n' || prompt[from] == ' '));
      }
      REQUIRE(AnswerTask::rescore(ran.outcomes[i].output, test::source_dir()) ==
              ran.outcomes[i].score);
    }
  }
}

TEST_CASE("both of BABILong's rules and exact match score an answer", "[unit]") {
  const Shelf shelf;
  const auto task = shelf.task("qa1", 2000, {{"samples", 1}});
  const auto target = run(*task, "x").output(0).at("references").at(0).as_string();
  const std::string place(target.begin(), target.end());
  const std::string other = place == "garden" ? "office" : "garden";
  const auto scores = [&](const std::string& answer) {
    const auto output = run(*task, answer).output(0);
    const auto& all = output.at("scores").as_object();
    return std::vector<double>{
        all.at("babilong_compare_answers").to_number<double>(),
        all.at("babilong_compare_answers_old_substring_rule").to_number<double>(),
        all.at("scrolls_exact_match").to_number<double>()};
  };
  CHECK(scores(place) == std::vector<double>{1, 1, 1});
  CHECK(scores("It is the " + place + ". Or not") == std::vector<double>{1, 1, 0});
  CHECK(scores(place + " or " + other) == std::vector<double>{0, 1, 0});
  CHECK(scores(other) == std::vector<double>{0, 0, 0});
}

TEST_CASE("the authors' questions come first, and stories are the clusters", "[unit]") {
  const Shelf shelf;
  const test::ByteTokenizer tokenizer;
  const auto indices = read_babilong_indices(test::source_dir(), "qa1");
  REQUIRE(indices.size() == 100);
  const auto samples = shelf.task("qa1", 4000, {{"samples", 300}})->samples(tokenizer);
  REQUIRE(samples.size() == 300);
  for (std::size_t i = 0; i < 100; ++i) {
    REQUIRE(samples[i].id == "qa1/" + std::to_string(indices[i]));
  }
  CHECK(samples[0].cluster == "qa1/story-" + std::to_string(indices[0] / 5));
  std::set<std::string> ids, hashes;
  for (const auto& sample : samples) {
    ids.insert(sample.id);
    hashes.insert(sample.hash);
  }
  CHECK(ids.size() == 300);
  CHECK(hashes.size() == 300);
  const auto hash = [&](std::int64_t length, const json::object& options) {
    return shelf.task("qa1", length, options)->samples(tokenizer).front().hash;
  };
  CHECK(hash(4000, {}) != hash(4001, {}));
  CHECK(hash(4000, {}) != hash(4000, {{"seed", 1}}));
  CHECK(hash(4000, {{"lanes", 2}}) == hash(4000, {}));
  CHECK(shelf.task("qa3", 2000)->samples(tokenizer).size() == 100);
}

TEST_CASE("what is identified makes the task again", "[unit]") {
  const auto task =
      make_task("babilong-qa2", {{"samples", 7}, {"seed", 3}}, 2000, test::source_dir());
  const auto identity = task->identity();
  const auto again =
      make_task("babilong-qa2", identity.at("options").as_object(), 2000, test::source_dir());
  CHECK(again->identity() == identity);
  CHECK(identity.at("books").as_object().size() == 25);
}

TEST_CASE("truncate cuts the end of the text, a question after the cut stays whole", "[unit]") {
  const Shelf shelf;
  const auto task = shelf.task("qa1", 4000, {{"samples", 2}, {"ask_after_cut", true}});
  const auto cut = run(*task, "office", "truncate", 2000);
  CHECK(cut.asked[0].prompt.size() == 2000);
  CHECK(cut.asked[0].policy->text == "full");
  CHECK(cut.outcomes[0].tokens_cut == 2000);
  CHECK_THAT(cut.prompt(0), Contains("\n</context>\n\nQuestion: "));
  const auto kept = run(*task, "office", "tova", 100);
  const auto at = kept.prompt(0).find("\n</context>");
  CHECK(kept.asked[0].schedule.prompt == static_cast<std::int64_t>(at));
  CHECK_THROWS_WITH(run(*task, "office", "truncate", 100), Contains("larger budget"));
}

TEST_CASE("what a BABILong task is given wrongly is named", "[fault]") {
  const Shelf shelf;
  CHECK_THROWS_WITH(shelf.task("qa21", 1000), Contains("did you mean 'babilong-qa1'"));
  CHECK_THROWS_WITH(make_task("babilon", {}, 1000, test::source_dir()), Contains("babilong-qa1"));
  CHECK_THROWS_WITH(shelf.task("qa1", 1000, {{"sampels", 3}}), Contains("samples"));
  CHECK_THROWS_WITH(shelf.task("qa1", 1), Contains("length"));
  CHECK_THROWS_WITH(shelf.task("qa1", 310, {}), Contains("few enough facts"));
  CHECK_THROWS_WITH(shelf.task("qa1", 4000, {{"samples", 1001}}), Contains("at most 1000"));
  CHECK_THROWS_WITH(shelf.task("qa6", 4000), Contains("no records ship"));
  CHECK_THROWS_WITH(run(*shelf.task("qa1", 400, {{"samples", 1}}), "x"),
                    Contains("without background, found 400"));
  const auto task = shelf.task("qa1", 4000);
  const test::ByteTokenizer tokenizer;
  CHECK_THROWS_WITH(task->run("qa1/2", tokenizer, test::Answering("x"),
                              {policies::known_policies().resolve("full"), {}, 0, {}, nullptr}),
                    Contains("there is no sample 'qa1/2'"));
}

/// Remembers what it reads of each sample, and answers with the last of its classes.
class Reader final : public models::RecurrentModel {
 public:
  explicit Reader(std::vector<std::string> labels) {
    recurrent_.segment_tokens = 300;
    recurrent_.labels = std::move(labels);
  }
  const models::ModelConfig& config() const override { return config_; }
  const models::RecurrentConfig& recurrent() const override { return recurrent_; }
  std::int64_t memory_bytes() const override { return 8; }
  models::RecurrentMemory initial(std::int64_t batch) const override {
    texts.assign(static_cast<std::size_t>(batch), "");
    return {batch, 1, std::vector<double>(static_cast<std::size_t>(batch))};
  }
  void read(std::span<const std::int64_t> ids, models::RecurrentMemory& memory) const override {
    const std::size_t tokens = ids.size() / texts.size();
    for (std::size_t i = 0; i < ids.size(); ++i) texts[i / tokens] += static_cast<char>(ids[i]);
    memory.values.front() += 1;
  }
  std::vector<double> classify(std::span<const std::int64_t> ids,
                               models::RecurrentMemory& memory) const override {
    read(ids, memory);
    std::vector<double> logits(texts.size() * recurrent_.labels.size());
    for (std::size_t i = 1; i <= texts.size(); ++i) logits[i * recurrent_.labels.size() - 1] = 1;
    return logits;
  }
  std::vector<models::AttentionMap> attention(std::span<const std::int64_t>,
                                              models::RecurrentMemory&) const override {
    return {};
  }
  mutable std::vector<std::string> texts;

 private:
  models::ModelConfig config_;
  models::RecurrentConfig recurrent_;
};

TEST_CASE("a model with recurrent memory reads the same text in segments", "[unit]") {
  const Shelf shelf;
  const auto task = shelf.task("qa1", 2400, {{"samples", 3}, {"segment", 300}, {"lanes", 2}});
  // In another order than the authors'.
  const Reader model({"office", "kitchen", "hallway", "garden", "bedroom", "bathroom"});
  CHECK(task->runs_recurrent());
  CHECK_NOTHROW(task->check_recurrent(model.recurrent()));
  const test::ByteTokenizer tokenizer;
  RunSettings settings;
  settings.policy = policies::known_policies().resolve("rmt");
  std::vector<std::string> ids, done;
  for (const auto& sample : task->samples(tokenizer)) ids.push_back(sample.id);
  std::vector<SampleOutcome> outcomes;
  task->run_recurrent(ids, tokenizer, model, settings,
                      {[] { return false; }, [](const std::string&) { return nullptr; },
                       [&](const std::string& id, SampleOutcome outcome) {
                         done.push_back(id);
                         outcomes.push_back(std::move(outcome));
                       }});
  CHECK(done == ids);
  REQUIRE(model.texts.size() == 1);
  CHECK(model.texts.front().size() == 2400);
  const auto output = parse_json(outcomes.back().output, "output", ErrorKind::kData);
  CHECK(model.texts.front().ends_with(" " + std::string(output.at("question").as_string())));
  CHECK(outcomes.back().tokens_in == 2400);
  CHECK(output.at("answer") == "bathroom");
  CHECK(outcomes.back().score == (output.at("references").at(0) == "bathroom" ? 1.0 : 0.0));
  CHECK(output.at("segments").as_int64() == 8);
  CHECK(AnswerTask::rescore(outcomes.back().output, test::source_dir()) == outcomes.back().score);

  CHECK_THROWS_WITH(shelf.task("qa1", 2401, {{"segment", 300}})->check_recurrent(model.recurrent()),
                    Contains("multiple of \"segment\""));
  CHECK_THROWS_WITH(shelf.task("qa1", 2400, {{"segment", 400}})->check_recurrent(model.recurrent()),
                    Contains("at most 300"));
  CHECK_THROWS_WITH(task->check_recurrent(Reader({"yes", "no"}).recurrent()),
                    Contains("found yes, no"));
}

}  // namespace
}  // namespace lethe::tasks
