// SPDX-License-Identifier: Apache-2.0
// The first paper's tasks on a decoder: loss and gradient of a batch, recipes, a short run with its
// checkpoint, resume.
#include <cmath>

#include <ATen/ATen.h>

#include "harness/base/json.h"
#include "models/rmt/recurrent_decoder_model.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/training_support.h"
#include "training/rmt_batch.h"
#include "training/rmt_checkpoint.h"
#include "training/rmt_source.h"
#include "training/rmt_trainer.h"

namespace lethe::test {
namespace {

using tasks::SequenceSplit;

json::object recipe_text(const std::string& task, std::int64_t segments,
                         const std::string& architecture = "gpt2") {
  json::object model{
      {"architecture", architecture}, {"layers", 2},     {"hidden", 16}, {"heads", 2},
      {"intermediate", 32},           {"positions", 64}, {"memory", 3},  {"mask", "paper"}};
  json::object text{
      {"name", "small"},
      {"task", task},
      {"model", model},
      {"warmup", 2},
      {"stages",
       json::array{json::object{
           {"name", "only"},
           {"steps", 6},
           {"batches", json::array{json::object{{"batch", 8}, {"segments", segments}}}}}}}};
  if (task != "quadratic") text["size"] = 4;
  return text;
}

struct Batch {
  Batch(const std::string& task, std::int64_t cut_into, const std::string& architecture)
      : start(rmt_start(parsed_recipe(recipe_text(task, cut_into, architecture)), {})),
        generator({*tasks::find_sequence_task(task), task == "quadratic" ? 0 : 4}),
        segments(cut_into),
        flat(start.decoder->initial(5).to(at::kDouble)) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      samples.push_back(generator.sample(seed, SequenceSplit::kTrain));
    }
  }
  training::BatchResult run(const at::Tensor& weights, std::int64_t bptt, bool gradient) const {
    return training::run_batch(*start.decoder, weights, generator, samples, segments, bptt,
                               gradient);
  }

  training::RmtStart start;
  tasks::SequenceGenerator generator;
  std::int64_t segments;
  at::Tensor flat;
  std::vector<tasks::SequenceSample> samples;
};

TEST_CASE("the loss of sequences is that of their targets alone, segment by segment",
          "[property]") {
  const auto [task, segments] = GENERATE(table<std::string, std::int64_t>(
      {{"copy", 3}, {"reverse", 2}, {"retrieval", 3}, {"quadratic", 6}}));
  CAPTURE(task);
  const Batch batch(task, segments, "llama");
  const models::Precision precision{at::kDouble, at::kDouble};
  const models::RecurrentDecoder decoder(
      *batch.start.decoder, batch.start.decoder->bind(batch.flat, precision), precision);
  // One sample after the other, token by token.
  double loss = 0, right = 0;
  const std::int64_t each = batch.generator.segment_tokens(segments);
  for (const auto& sample : batch.samples) {
    at::Tensor memory = decoder.initial(1);
    std::vector<std::int64_t> found;
    double nll = 0;
    for (std::int64_t begin = 0; begin < sample.inputs(); begin += each) {
      const std::int64_t count = std::min(each, sample.inputs() - begin);
      const at::Tensor ids = at::tensor(sample.tokens, at::kLong).narrow(0, begin, count);
      const auto segment = decoder.segment(ids.unsqueeze(0), memory);
      memory = segment.memory;
      const at::Tensor logits = decoder.logits(segment.text).squeeze(0).log_softmax(-1);
      for (std::int64_t t = 0; t < count; ++t) {
        const std::int64_t next = begin + t + 1;
        if (next < sample.target_begin || next >= sample.target_end) continue;
        nll -= logits[t][sample.tokens[static_cast<std::size_t>(next)]].item<double>();
        found.push_back(logits[t].argmax().item<std::int64_t>());
      }
    }
    loss += nll / static_cast<double>(found.size());
    right += batch.generator.score(sample, found);
  }
  const auto result = batch.run(batch.flat, 0, false);
  CHECK(result.loss == Approx(loss).epsilon(1e-10));
  CHECK(result.right == Approx(right));
  CHECK_FALSE(result.gradient.defined());
}

TEST_CASE("gradients of sequences are those of finite differences, and bptt cuts them",
          "[property]") {
  const Batch batch("copy", 3, "gpt2");
  const auto whole = batch.run(batch.flat, 0, true);
  double worst = 0;
  for (std::int64_t i = 0; i < 30; ++i) {
    const std::int64_t place = i * (batch.flat.numel() / 30);
    constexpr double kStep = 1e-5;
    const auto moved = [&](double by) {
      at::Tensor flat = batch.flat.clone();
      flat[place] += by;
      return batch.run(flat, 0, false).loss;
    };
    const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    worst = std::max(worst, std::abs(expected - whole.gradient[place].item<double>()));
  }
  CHECK(worst < 1e-7);
  // Three segments have two borders.
  const auto gradient = [&](std::int64_t bptt) {
    return batch.run(batch.flat, bptt, true).gradient;
  };
  CHECK((gradient(2) - whole.gradient).abs().max().item<double>() == 0.0);
  CHECK((gradient(1) - whole.gradient).abs().max().item<double>() > 1e-4);
  CHECK(batch.run(batch.flat, 1, true).loss == whole.loss);
}

TEST_CASE("a run on a sequence task leaves a decoder that can be loaded", "[integration]") {
  const std::string architecture = GENERATE("gpt2", "llama");
  CAPTURE(architecture);
  const TempDir temp;
  const auto recipe = parsed_recipe(recipe_text("copy", 3, architecture));
  Sink sink;
  const auto result = train_rmt(recipe, options_for(temp / "whole"), sink);
  CHECK(result.finished);
  CHECK(result.steps == 6);
  REQUIRE(result.validation.size() == 1);
  CHECK(result.validation[0] >= 0);
  CHECK(result.validation[0] <= 1);
  CHECK(sink.points.back().metric == "validation_accuracy:3");
  CHECK(sink.points.back().value == result.validation[0]);
  CHECK_FALSE(std::filesystem::exists(temp / "whole" / "tokenizer.json"));

  const auto model = models::load_recurrent_decoder(temp / "whole", models::DType::kFloat32);
  CHECK(model->config().architecture == architecture);
  const auto& rmt = model->recurrent();
  CHECK(rmt.segment_tokens == 4);
  CHECK(rmt.mask == models::RecurrentMask::kPaper);
  CHECK(rmt.training.at("task") == "copy");
  CHECK(rmt.training.at("vocabulary").as_array().size() == 10);
  auto memory = model->initial(1);
  CHECK(model->scores(std::vector<std::int64_t>{2, 3, 4, 5}, memory).size() == 40);

  // Stopped and gone on with: the same bytes. So with two threads.
  Sink stops(3), goes_on, threads;
  CHECK_FALSE(train_rmt(recipe, options_for(temp / "parts"), stops).finished);
  CHECK(train_rmt(recipe, options_for(temp / "parts"), goes_on).finished);
  auto two = options_for(temp / "two");
  two.threads = 2;
  CHECK(train_rmt(recipe, two, threads).finished);
  const auto weights = bytes_of(temp / "whole" / "model.safetensors");
  CHECK(bytes_of(temp / "parts" / "model.safetensors") == weights);
  CHECK(bytes_of(temp / "two" / "model.safetensors") == weights);
}

// Short texts first.
json::object recall_recipe() {
  auto text = recipe_text("recall", 1, "llama");
  text["size"] = 40;
  text["model"].as_object()["memory"] = 0;
  text["model"].as_object()["positions"] = 128;
  const auto stage = [](const char* name, json::object batch) {
    batch["batch"] = 4;
    return json::object{{"name", name}, {"steps", 3}, {"batches", json::array{std::move(batch)}}};
  };
  text["stages"] = json::array{stage("short", {{"size", 32}}), stage("whole", {})};
  return text;
}

TEST_CASE("a batch of a sequence task can have a size of its own", "[rmt]") {
  const auto recipe = parsed_recipe(recall_recipe());
  const auto start = rmt_start(recipe, {});
  CHECK(start.decoder->recurrent().segment_tokens == 72);
  const auto source = rmt_source(recipe, start);
  const at::Tensor flat = start.decoder->initial(5);
  const std::vector<std::uint64_t> seeds{1, 2};
  for (const std::size_t stage : {0, 1}) {
    const auto& batch = recipe.stages[stage].batches[0];
    CHECK(batch.size == (stage == 0 ? 32 : 0));
    source->check(batch);
    CHECK(source->validated(batch) == std::vector<std::int64_t>{1});
    const tasks::SequenceGenerator generator({tasks::SequenceTask::kRecall, stage == 0 ? 32 : 40});
    std::vector<tasks::SequenceSample> samples;
    for (const auto seed : seeds) {
      samples.push_back(generator.sample(seed, SequenceSplit::kTrain));
    }
    const auto drawn = source->draw(batch, 1, seeds, training::RmtUse::kTraining, 1);
    CHECK(drawn->run(flat, 0, 2, false).loss ==
          training::run_batch(*start.decoder, flat, generator, samples, 1, 0, false).loss);
  }
  // A batch longer than the recipe's own size makes the segment longer.
  auto longer = recall_recipe();
  longer["stages"].at(0).at("batches").at(0).as_object()["size"] = 60;
  CHECK(rmt_start(parsed_recipe(longer), {}).decoder->recurrent().segment_tokens == 92);
  const auto error = [](std::int64_t size) {
    auto text = recall_recipe();
    text["stages"].at(0).at("batches").at(0).as_object()["size"] = size;
    return error_of(ErrorKind::kConfig, [&] { rmt_start(parsed_recipe(text), {}); });
  };
  CHECK_THAT(error(31), Catch::Contains("size of task 'recall'") && Catch::Contains("found 31"));
  CHECK_THAT(error(-1), Catch::Contains("stages[0]: batches[0]") && Catch::Contains("size"));
  auto facts = small_recipe_json();
  facts["stages"].at(0).at("batches").at(0).as_object()["size"] = 32;
  CHECK_THAT(error_of(ErrorKind::kConfig, [&] { parsed_recipe(facts); }), Catch::Contains("size"));
}

TEST_CASE("only the values of recall are learnt", "[property]") {
  const auto start = rmt_start(parsed_recipe(recall_recipe()), {});
  const tasks::SequenceGenerator generator({tasks::SequenceTask::kRecall, 40});
  const at::Tensor flat = start.decoder->initial(5).to(at::kDouble);
  const auto sample = generator.sample(3, SequenceSplit::kTrain);
  const auto result = training::run_batch(*start.decoder, flat, generator, std::span(&sample, 1), 1,
                                          0, /*with_gradient=*/false);
  const models::Precision precision{at::kDouble, at::kDouble};
  const models::RecurrentDecoder decoder(*start.decoder, start.decoder->bind(flat, precision),
                                         precision);
  const at::Tensor ids = at::tensor(sample.tokens, at::kLong).narrow(0, 0, 72);
  const auto segment = decoder.segment(ids.unsqueeze(0), decoder.initial(1));
  const at::Tensor logits = decoder.logits(segment.text).squeeze(0).log_softmax(-1);
  double nll = 0;
  for (std::int64_t value = 42; value <= 72; value += 2) {
    nll -= logits[value - 1][sample.tokens[static_cast<std::size_t>(value)]].item<double>();
  }
  CHECK(result.loss == Approx(nll / 16).epsilon(1e-10));
}

TEST_CASE("a run on recall leaves the tokenizer of its words", "[integration]") {
  const TempDir temp;
  Sink sink;
  REQUIRE(train_rmt(parsed_recipe(recall_recipe()), options_for(temp / "out"), sink).finished);
  CHECK(bytes_of(temp / "out/tokenizer.json") ==
        bytes_of(source_dir() / "data/checkpoints/recall/tokenizer.json"));
  const auto tokenizer = models::open_tokenizer(temp / "out");
  CHECK(tokenizer->vocab_size() == 258);
  const tasks::SequenceGenerator generator({tasks::SequenceTask::kRecall, 40});
  for (std::size_t i = 0; i < generator.vocabulary().size(); ++i) {
    const std::vector<std::int64_t> one{static_cast<std::int64_t>(i)};
    // ("[UNK]" is told by what is none of the words.)
    CHECK(tokenizer->encode(i == 0 ? "word" : generator.vocabulary()[i], false) == one);
  }
  const auto sample = generator.sample(1, SequenceSplit::kTest);
  CHECK(tokenizer->encode(generator.text(sample.tokens), false) == sample.tokens);
  CHECK(tokenizer->decode(sample.tokens, false) == generator.text(sample.tokens));
}

TEST_CASE("recipes of sequence tasks say what they cannot be", "[fault]") {
  const auto error = [](json::object text) {
    return error_of(ErrorKind::kConfig, [&] { rmt_start(parsed_recipe(text), {}); });
  };
  auto text = recipe_text("copy", 3);
  text["task"] = "coppy";
  CHECK_THAT(error(text), Catch::Contains("did you mean 'copy'?") && Catch::Contains("detect"));
  text = recipe_text("copy", 3);
  text.erase("size");
  CHECK_THAT(error(text), Catch::Contains("size"));
  text = recipe_text("copy", 7);
  CHECK_THAT(error(text), Catch::Contains("12 tokens cannot be cut into 7 equal segments"));
  text = recipe_text("copy", 3);
  text["place"] = "start";
  CHECK_THAT(error(text), Catch::Contains("place"));
  const auto with_model = [&](const char* name, json::value value) {
    auto changed = recipe_text("copy", 3);
    changed["model"].as_object()[name] = std::move(value);
    return error(changed);
  };
  CHECK_THAT(with_model("architecture", "gtp2"), Catch::Contains("did you mean 'gpt2'?"));
  CHECK_THAT(with_model("mask", "papper"), Catch::Contains("did you mean 'paper'?"));
  CHECK_THAT(with_model("relative_clip", 4), Catch::Contains("relative_clip"));
  auto pretrained = parsed_recipe(recipe_text("copy", 3));
  pretrained.model.backbone = "models/gpt2";
  CHECK_THAT(error_of(ErrorKind::kConfig, [&] { rmt_start(pretrained, {}); }),
             Catch::Contains("expected no backbone, found models/gpt2"));
  CHECK_THAT(with_model("positions", 9), Catch::Contains("10 in all"));
}

}  // namespace
}  // namespace lethe::test
