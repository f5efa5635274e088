// SPDX-License-Identifier: Apache-2.0
// Runs: the same to the bit whatever the threads and wherever they were stopped, or refused.
#include <cmath>
#include <filesystem>

#include "models/engine/evaluate.h"
#include "models/rmt/recurrent_model.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/training_support.h"

namespace lethe::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using training::RmtRecipe;
using training::RmtTrainOptions;
using training::train_rmt;

// Products of one thread, as the command has them.
void use_one_thread() {
  models::set_compute_threads(1);
}

TEST_CASE("a run trains, tells what it does and leaves a model", "[rmt]") {
  use_one_thread();
  const TempDir folder;
  Sink sink;
  RmtTrainOptions options = options_for(folder / "out");
  options.keep_stages = true;
  const auto result = train_rmt(small_recipe(), options, sink);
  CHECK(result.finished);
  CHECK(result.steps == 24);
  CHECK(result.validation.size() == 3);
  CHECK(sink.most == 24);
  REQUIRE(sink.messages.size() == 2);
  CHECK_THAT(sink.messages[0], Contains("stage one: 12 steps"));
  CHECK_THAT(sink.messages[1], Contains("stage three: 12 steps"));
  std::map<std::string, int> metrics;
  for (const auto& point : sink.points) {
    CHECK(std::isfinite(point.value));
    ++metrics[point.metric];
  }
  CHECK(metrics.at("train_loss") == 1);             // step 20
  CHECK(metrics.at("validation_accuracy:1") == 2);  // after each stage
  CHECK(metrics.at("validation_accuracy:3") == 1);
  CHECK(sink.points.back().stage == "three");
  CHECK(sink.resumed_after == 0);
  CHECK_FALSE(fs::exists(folder / "out/train.state"));
  const auto model = models::load_recurrent_model(folder / "out", models::DType::kFloat32);
  CHECK(model->recurrent().training.at("seed") == 1);
  const auto first =
      models::load_recurrent_model(folder / "out/stages/one", models::DType::kFloat32);
  CHECK(first->recurrent().training.at("trained_segments") == 1);
  CHECK(bytes_of(folder / "out/stages/three/model.safetensors") ==
        bytes_of(folder / "out/model.safetensors"));
  CHECK(bytes_of(folder / "out/stages/one/model.safetensors") !=
        bytes_of(folder / "out/model.safetensors"));
}

TEST_CASE("training makes the loss smaller", "[rmt]") {
  use_one_thread();
  const TempDir folder;
  auto text = small_recipe_json();
  auto& stages = text["stages"].as_array();
  stages.pop_back();
  stages[0].as_object()["steps"] = 200;
  stages[0].as_object()["batches"] = json::array{{{"segment", 11}, {"batch", 16}}};
  text["place"] = "start";  // the same place every time: soon learned
  Sink sink;
  train_rmt(parsed_recipe(text), options_for(folder / "out"), sink);
  std::vector<double> losses;
  for (const auto& point : sink.points) {
    if (point.metric == "train_loss") losses.push_back(point.value);
  }
  REQUIRE(losses.size() == 10);
  CHECK(losses.front() > 1.2);
  CHECK(losses.back() < 0.5 * losses.front());
}

TEST_CASE("the result does not depend on the threads", "[rmt][property]") {
  use_one_thread();
  const TempDir folder;
  std::vector<std::string> left;
  std::vector<std::vector<Sink::Point>> points;
  for (const int threads : {1, 2}) {
    RmtTrainOptions options = options_for(folder / std::to_string(threads));
    options.threads = threads;
    Sink sink;
    train_rmt(small_recipe(), options, sink);
    left.push_back(left_in(options.out));
    points.push_back(sink.points);
  }
  CHECK(left[0] == left[1]);
  CHECK(points[0] == points[1]);
}

TEST_CASE("a run that was stopped goes on to the same model, byte for byte", "[rmt][property]") {
  use_one_thread();
  const TempDir folder;
  auto text = small_recipe_json();
  if (GENERATE(false, true)) {  // a ramp, which is part of the state
    text["task"] = "reasoning";
    for (auto& stage : text["stages"].as_array()) {
      for (auto& batch : stage.at("batches").as_array()) batch.as_object()["segment"] = 24;
    }
    text["model"].as_object()["segment"] = 24;
    text["model"].as_object()["positions"] = 40;
    auto& first = text["stages"].at(0).as_object();
    first["ramp"] = 0.05;
    first["ramp_above"] = 0;
  }
  const RmtRecipe recipe = parsed_recipe(text);
  Sink whole;
  REQUIRE(train_rmt(recipe, options_for(folder / "whole"), whole).finished);
  const auto expected = left_in(folder / "whole");

  const RmtTrainOptions options = options_for(folder / "broken");
  std::vector<Sink::Point> points;
  std::int64_t done = 0;
  for (const std::int64_t stop : {1, 7, 12, 19, 23}) {  // 12: between the stages
    Sink sink(stop);
    const auto result = train_rmt(recipe, options, sink);
    REQUIRE_FALSE(result.finished);
    CHECK(result.steps == stop);
    CHECK(sink.resumed_after == done);
    CHECK(sink.saved == stop);
    CHECK(fs::exists(options.out / "train.state"));
    CHECK_FALSE(fs::exists(options.out / "model.safetensors"));
    if (done > 0) {
      CHECK_THAT(sink.messages.front(), Contains("goes on after step " + std::to_string(done)));
    }
    done = stop;
    points.insert(points.end(), sink.points.begin(), sink.points.end());
  }
  Sink last;
  REQUIRE(train_rmt(recipe, options, last).finished);
  points.insert(points.end(), last.points.begin(), last.points.end());
  CHECK(left_in(options.out) == expected);
  CHECK(points == whole.points);
  CHECK_FALSE(fs::exists(options.out / "train.state"));
}

// A state after three steps of the small recipe.
fs::path stopped(const TempDir& folder) {
  Sink sink(3);
  REQUIRE_FALSE(train_rmt(small_recipe(), options_for(folder / "out"), sink).finished);
  return folder / "out/train.state";
}

TEST_CASE("the state of another run is refused, and left as it is", "[rmt][fault]") {
  use_one_thread();
  const TempDir folder;
  const fs::path state = stopped(folder);
  const std::string bytes = bytes_of(state);
  const auto error = [&](const RmtRecipe& recipe, const RmtTrainOptions& options) {
    Sink sink;
    const auto text = error_of(ErrorKind::kData, [&] { train_rmt(recipe, options, sink); });
    CHECK(bytes_of(state) == bytes);
    return text;
  };
  RmtTrainOptions other = options_for(folder / "out");
  other.seed = 2;
  CHECK_THAT(error(small_recipe(), other), Contains("train.state") &&
                                               Contains("belongs to something else") &&
                                               Contains("give another --out, or delete it"));
  auto text = small_recipe_json();
  text["weight_decay"] = 0.02;
  CHECK_THAT(error(parsed_recipe(text), options_for(folder / "out")),
             Contains("belongs to something else"));
}

TEST_CASE("a damaged state is refused with words", "[rmt][fault]") {
  use_one_thread();
  const TempDir folder;
  const fs::path state = stopped(folder);
  const std::string bytes = bytes_of(state);
  const auto error = [&](const std::string& damaged) {
    write_bytes(state, damaged);
    Sink sink;
    return error_of(ErrorKind::kData,
                    [&] { train_rmt(small_recipe(), options_for(folder / "out"), sink); });
  };
  std::string flipped = bytes;
  flipped[bytes.size() / 2] ^= 1;
  CHECK_THAT(error(flipped),
             Contains("train.state") && Contains("damaged") && Contains("delete it"));
  CHECK_THAT(error(bytes.substr(0, bytes.size() - 100)), Contains("damaged"));
  CHECK_THAT(error(""), Contains("damaged"));
  CHECK_THAT(error("not a state"), Contains("damaged"));
  write_bytes(state, bytes);
  Sink sink;
  CHECK(train_rmt(small_recipe(), options_for(folder / "out"), sink).finished);
}

TEST_CASE("a recipe that cannot be carried out is refused before the first step", "[rmt][fault]") {
  const TempDir folder;
  const auto error = [&](ErrorKind kind, const json::object& text) {
    Sink sink;
    const auto message =
        error_of(kind, [&] { train_rmt(parsed_recipe(text), options_for(folder / "out"), sink); });
    CHECK(sink.most == 0);
    return message;
  };
  auto longer = small_recipe_json();
  longer["stages"].at(1).at("batches").at(0).as_object()["segment"] = 28;
  CHECK_THAT(error(ErrorKind::kConfig, longer), Contains("recipe small") &&
                                                    Contains("at most 27 text tokens") &&
                                                    Contains("found 28"));
  auto model = small_recipe_json();
  model["model"].as_object()["segment"] = 30;
  CHECK_THAT(error(ErrorKind::kConfig, model), Contains("need 35 positions"));
  auto wide = small_recipe_json();
  wide["model"].as_object()["relative_clip"] = 40;
  CHECK_THAT(error(ErrorKind::kModel, wide), Contains("recipe small: model") &&
                                                 Contains("lethe_relative_clip") &&
                                                 Contains("found 40"));
  auto shorter = small_recipe_json();
  shorter["stages"].at(0).at("batches").at(0).as_object()["segment"] = 10;
  CHECK_THAT(error(ErrorKind::kConfig, shorter), Contains("segment: expected at least 11 tokens"));
  auto diverging = small_recipe_json();
  for (auto& stage : diverging["stages"].as_array()) {
    stage.as_object()["rate"] = 1;
    stage.as_object()["rate_end"] = 0;
  }
  diverging["warmup"] = 0;
  Sink sink;  // awful, but finite: the norms hold
  CHECK(train_rmt(parsed_recipe(diverging), options_for(folder / "out"), sink).finished);
}

}  // namespace
}  // namespace lethe::test
