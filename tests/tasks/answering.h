// SPDX-License-Identifier: Apache-2.0
// Runs a task of questions and answers with a model that gives every prompt one answer.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/json.h"
#include "tasks/task.h"
#include "tests/tasks/fake_model.h"

namespace lethe::test {

/// Answers every prompt with a text, and remembers what it was asked.
class Answering final : public FormulaModel {
 public:
  explicit Answering(std::string text) : text_(std::move(text)) {}
  models::GenerateTotals generate(std::span<const models::GenerateRequest> requests,
                                  const models::GenerateOptions&,
                                  const models::GenerateDone& done) const override {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      asked.push_back(requests[i]);
      models::GenerateResult result;
      result.reason = models::StopReason::kEndId;
      for (const char c : text_) {
        result.ids.push_back(static_cast<unsigned char>(c));
        if (requests[i].accept(result.ids.back())) continue;
        result.reason = models::StopReason::kStopped;
        break;
      }
      done(i, std::move(result));
    }
    return {};
  }
  mutable std::vector<models::GenerateRequest> asked;

 private:
  std::string text_;
};

struct Ran {
  std::vector<std::string> ids;
  std::vector<tasks::SampleOutcome> outcomes;
  std::vector<models::GenerateRequest> asked;

  json::object output(std::size_t i) const { return json::parse(outcomes[i].output).as_object(); }
  std::string prompt(std::size_t i) const {
    return {asked[i].prompt.begin(), asked[i].prompt.end()};
  }
};

inline Ran run(const tasks::Task& task, const std::string& answer,
               const std::string& policy = "full", std::optional<std::int64_t> budget = {}) {
  const ByteTokenizer tokenizer;
  const Answering model(answer);
  tasks::RunSettings settings;
  settings.policy = policies::known_policies().resolve(policy);
  settings.budget = budget;
  settings.evaluate.schedule = policies::Schedule::parse("post-prompt");
  std::vector<std::string> ids;
  for (const auto& sample : task.samples(tokenizer)) ids.push_back(sample.id);
  Ran ran;
  task.run_all(ids, tokenizer, model, settings,
               {[] { return false; }, [](const std::string&) { return nullptr; },
                [&](const std::string& id, tasks::SampleOutcome outcome) {
                  ran.ids.push_back(id);
                  ran.outcomes.push_back(std::move(outcome));
                }});
  ran.asked = model.asked;
  return ran;
}

}  // namespace lethe::test
