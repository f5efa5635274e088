// SPDX-License-Identifier: Apache-2.0
// A recipe that trains in a second, and a sink that remembers and stops.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "training/rmt_trainer.h"

namespace lethe::test {

/// Two stages of a few steps on short segments, 1 and 3 of them.
json::object small_recipe_json();
training::RmtRecipe parsed_recipe(const json::object& text);
training::RmtRecipe small_recipe();

/// Seed 1, one thread, the shipped vocabulary.
training::RmtTrainOptions options_for(const std::filesystem::path& out);

class Sink final : public training::EventSink {
 public:
  struct Point {
    std::int64_t step;
    std::string stage, metric;
    double value;
    bool operator==(const Point&) const = default;
  };

  explicit Sink(std::int64_t stop_after = std::numeric_limits<std::int64_t>::max())
      : stop_after_(stop_after) {}
  void resumed(std::int64_t step) override { resumed_after = step; }
  void saving(std::int64_t step) override { saved = step; }
  void point(std::int64_t step, const std::string& stage, const std::string& metric,
             double value) override {
    points.push_back({step, stage, metric, value});
  }
  bool stop_requested() override { return done_ >= stop_after_; }
  void message(const std::string& text) override { messages.push_back(text); }
  void progress(std::int64_t done, std::int64_t still) override {
    done_ = done;
    most = still;
  }

  std::vector<Point> points;
  std::vector<std::string> messages;
  std::int64_t most = 0;
  std::int64_t resumed_after = -1, saved = -1;  ///< -1: not told

 private:
  std::int64_t stop_after_, done_ = 0;
};

/// What a finished run leaves that is not a time: bytes of model, tokenizer and config, and
/// provenance without its seconds.
std::string left_in(const std::filesystem::path& folder);

}  // namespace lethe::test
