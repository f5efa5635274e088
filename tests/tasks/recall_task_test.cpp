// SPDX-License-Identifier: Apache-2.0
// Task recall on the decoder that ships for it: samples, scores against the model's own numbers,
// the input that truncate cuts, models it is not for.
#include "tasks/memory/recall_task.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/seed.h"
#include "tasks/registry.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using Catch::Matchers::Contains;
using tasks::RecallOptions;
using tasks::RecallTask;

constexpr std::int64_t kQuestions = 16, kAsked = 2 * kQuestions;

const models::Tokenizer& tokenizer() {
  static const auto opened = models::open_tokenizer(source_dir() / "data/checkpoints/recall");
  return *opened;
}

const models::Model& model() {
  static const auto loaded = [] {
    models::set_compute_threads(1);
    return models::load_model(*models::open_checkpoint(source_dir() / "data/checkpoints/recall"),
                              models::DType::kFloat32);
  }();
  return *loaded;
}

RecallTask task(const std::string& options, std::int64_t length = 128) {
  return {RecallOptions::parse(parse_json(options, "options", ErrorKind::kConfig).as_object()),
          length};
}

tasks::RunSettings settings(const std::string& policy, std::optional<std::int64_t> budget = {}) {
  tasks::RunSettings made;
  made.policy = policies::known_policies().resolve(policy);
  made.budget = budget;
  return made;
}

std::vector<std::string> ids_of(const RecallTask& task) {
  std::vector<std::string> ids;
  for (const auto& sample : task.samples(tokenizer())) ids.push_back(sample.id);
  return ids;
}

std::vector<std::int64_t> tokens_of(const std::string& id, std::int64_t length) {
  const tasks::SequenceGenerator generator({tasks::SequenceTask::kRecall, length - kAsked});
  return generator.sample(derive_seed(0, "recall/" + id), tasks::SequenceSplit::kTest).tokens;
}

/// NLL of every value asked for, and how many the model holds likeliest, of a text that ends with
/// the questions.
struct Expected {
  std::vector<double> nll;
  double right = 0;
};

Expected expected(std::span<const std::int64_t> tokens) {
  models::EvaluateOptions options;
  for (std::int64_t t = 0; t + 1 < std::ssize(tokens); ++t) options.logit_rows.push_back(t);
  const auto result = model().evaluate(tokens, policies::known_policies().resolve("full"), options);
  Expected found;
  // Keys stand at every second place from the last but one backwards.
  const std::int64_t asked = std::min<std::int64_t>(std::ssize(tokens) / 2, kQuestions);
  for (std::int64_t row = std::ssize(tokens) - 2 * asked; row < std::ssize(tokens); row += 2) {
    const auto& logits = result.logits[static_cast<std::size_t>(row)];
    const auto wanted = static_cast<std::size_t>(tokens[static_cast<std::size_t>(row) + 1]);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    found.nll.push_back(std::log(sum) - static_cast<double>(logits[wanted]));
    CHECK(found.nll.back() == Approx(result.nll[static_cast<std::size_t>(row)]).margin(1e-5));
    found.right += *std::ranges::max_element(logits) == logits[wanted];
  }
  return found;
}

void check_nll(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i] == Approx(expected[i]).margin(2e-5));
  }
}

TEST_CASE("samples of recall are named by test set or seed", "[tasks][unit]") {
  CHECK(ids_of(task("{}")).size() == 64);
  CHECK(ids_of(task(R"({"samples": 2, "seed": 5})")) ==
        std::vector<std::string>{"test/5/0", "test/5/1"});
  const auto seeds = task(R"({"seeds": [7, 18446744073709551615]})");
  CHECK(ids_of(seeds) == std::vector<std::string>{"seed/7", "seed/18446744073709551615"});

  CHECK(task(R"({"samples": 2, "seed": 5})").identity() ==
        json::object{{"version", 1}, {"samples", 2}, {"seed", 5}});
  // What it says of itself makes the task again.
  json::object again = seeds.identity();
  again.erase("version");
  CHECK(task(json::serialize(again)).identity() == seeds.identity());
  CHECK(seeds.cuts_input());
  CHECK_FALSE(seeds.generates());
}

TEST_CASE("hashes of recall tell samples and lengths apart", "[tasks][unit]") {
  std::set<std::string> hashes;
  for (const std::int64_t length : {128, 160}) {
    for (const auto& sample : task(R"({"samples": 3})", length).samples(tokenizer())) {
      CHECK(sample.cluster == sample.id);
      CHECK(sample.hash.size() == 64);
      hashes.insert(sample.hash);
    }
  }
  CHECK(hashes.size() == 6);
  CHECK(task(R"({"samples": 3})").samples(tokenizer())[1].hash ==
        task(R"({"samples": 2})").samples(tokenizer())[1].hash);
}

TEST_CASE("recall scores the values as the model's logits say", "[tasks]") {
  const RecallTask recall = task(R"({"samples": 3, "seeds": [3]})");
  double right = 0;
  for (const char* id : {"seed/3", "test/0/0", "test/0/1"}) {
    CAPTURE(id);
    const auto tokens = tokens_of(id, 128);
    REQUIRE(tokens.size() == 129);
    const auto outcome = recall.run(id, tokenizer(), model(), settings("full"));
    const Expected wanted = expected(tokens);
    CHECK(outcome.score == wanted.right / kQuestions);
    check_nll(outcome.nll, wanted.nll);
    CHECK(outcome.tokens_in == 128);
    CHECK(outcome.tokens_cut == 0);
    REQUIRE(outcome.layers.size() == 3);
    CHECK(outcome.layers[0].seen == 128);
    CHECK(outcome.layers[0].evicted == 0);
    CHECK(outcome.kv_bytes == 3 * 128 * 4 * 2 * 32 * 4);
    CHECK(RecallTask::rescore(outcome.output) == outcome.score);
    CHECK(tasks::rescore("recall", outcome.output, source_dir()) == outcome.score);
    right += wanted.right;
  }
  CHECK(right / (3 * kQuestions) > 0.7);  // it has learnt its task; chance is 1 / 64
}

TEST_CASE("a policy with room for all changes nothing, one without evicts", "[tasks]") {
  const RecallTask recall = task("{}");
  const auto full = recall.run("test/0/0", tokenizer(), model(), settings("full"));
  const auto roomy = recall.run("test/0/0", tokenizer(), model(), settings("tova", 128));
  check_nll(roomy.nll, full.nll);
  const auto tight = recall.run("test/0/0", tokenizer(), model(), settings("tova", 20));
  CHECK(tight.layers[0].kept_max == 20);
  CHECK(tight.layers[0].evicted > 0);
  CHECK(tight.nll.size() == kQuestions);
  CHECK(tight.score.value() < full.score.value());
  CHECK(RecallTask::rescore(tight.output) == tight.score);
}

TEST_CASE("truncate cuts the text of recall before it is read", "[tasks]") {
  const RecallTask recall = task("{}");
  const auto tokens = tokens_of("test/0/2", 128);
  for (const std::int64_t budget : {200, 128, 64, 33, 20, 3}) {
    CAPTURE(budget);
    const auto outcome = recall.run("test/0/2", tokenizer(), model(), settings("truncate", budget));
    const std::int64_t left = std::min<std::int64_t>(budget, 128);
    CHECK(outcome.tokens_in == left);
    CHECK(outcome.tokens_cut == 128 - left);
    CHECK(outcome.layers[0].seen == left);
    CHECK(outcome.layers[0].evicted == 0);
    // As a text of its own; of a question that is cut in two, the value is not scored.
    auto rest = std::span(tokens).subspan(static_cast<std::size_t>(128 - left));
    const Expected wanted = expected(rest);
    CHECK(outcome.score == wanted.right / kQuestions);
    check_nll(outcome.nll, wanted.nll);
    CHECK(RecallTask::rescore(outcome.output) == outcome.score);
  }
}

TEST_CASE("recall is for models that know its words", "[tasks][fault]") {
  const auto foreign = models::open_tokenizer(source_dir() / "data/rmt");
  CHECK_THAT(error_of(ErrorKind::kModel, [&] { task("{}").samples(*foreign); }),
             Contains("vocabulary mismatch: task recall") && Contains("its 258 words") &&
                 Contains("found a vocabulary of " + std::to_string(foreign->vocab_size())));
}

TEST_CASE("options and lengths that recall cannot have are refused", "[tasks][fault]") {
  const auto error = [](const std::string& options, std::int64_t length = 128) {
    return error_of(ErrorKind::kConfig, [&] { task(options, length); });
  };
  CHECK_THAT(error("{}", 63),
             Contains("expected a length of at least 64 tokens") && Contains("found 63"));
  CHECK_THAT(error("{}", 0), Contains("found 0"));
  CHECK(ids_of(task(R"({"samples": 1})", 64)).size() == 1);
  CHECK_THAT(error(R"({"samples": 0})"), Contains("samples") && Contains("at least 1"));
  CHECK_THAT(error(R"({"seed": -1})"), Contains("seed"));
  CHECK_THAT(error(R"({"seeds": [1, -2]})"), Contains("seeds") && Contains("found -2"));
  CHECK_THAT(error(R"({"seeds": [1.5]})"), Contains("found 1.5"));
  CHECK_THAT(error(R"({"seeds": ["a"]})"), Contains("found \"a\""));
  CHECK_THAT(error(R"({"seedz": [1]})"), Contains("did you mean"));
  CHECK_THAT(error_of(ErrorKind::kConfig,
                      [] {
                        tasks::make_task("recall", {{"samples", 1}}, 10, source_dir());
                      }),
             Contains("at least 64 tokens"));
}

TEST_CASE("outputs that are none of recall's have no score", "[tasks][fault]") {
  CHECK(RecallTask::rescore(R"({"wanted": [66, 67], "predicted": [66, 1], "questions": 16})") ==
        1.0 / 16);
  for (const char* output : {"", "[]", R"({"wanted": [], "predicted": []})", "{x"}) {
    CAPTURE(output);
    CHECK_THROWS_AS(RecallTask::rescore(output), Error);
  }
}

}  // namespace
}  // namespace lethe::test
