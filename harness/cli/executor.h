// SPDX-License-Identifier: Apache-2.0
// What a worker process does with a job: load the model, run the task's samples, measure.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "harness/base/shared_memory.h"
#include "harness/runner/job.h"
#include "models/engine/evaluate.h"
#include "models/rmt/recurrent_model.h"
#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/task.h"

namespace lethe::cli {

/// Keeps the last model, tokenizer and task between jobs: cells of one model are neighbours in a
/// plan, so a grid loads each model once.
class TaskExecutor : public runner::JobExecutor {
 public:
  /// `device` is where models are evaluated. `shared`, not owned: where the weights are kept for
  /// all workers of the run.
  explicit TaskExecutor(std::string device = "cpu", SharedBlobs* shared = nullptr);
  void run(const runner::Job& job, runner::JobSink& sink) override;
  store::ProvenanceRecord provenance() const override;

 private:
  /// Makes model_ or recurrent_ the model of `path`. Throws Error(kModel) when the file's bytes are
  /// not those of `weights_sha256`.
  void load(const std::string& path, models::DType dtype, const std::string& weights_sha256,
            bool recurrent);
  const models::Tokenizer& tokenizer(const std::string& path);
  /// Null for a model without one.
  const models::ChatTemplate* chat_template(const std::string& path);
  const tasks::Task& task(const runner::Job& job);

  std::string device_;
  SharedBlobs* shared_;
  models::PrefixCache prefixes_;
  std::string model_id_;
  std::unique_ptr<models::Model> model_;
  std::unique_ptr<models::RecurrentModel> recurrent_;  ///< one of the two at most
  std::string tokenizer_path_;
  std::unique_ptr<models::Tokenizer> tokenizer_;
  std::string chat_template_path_;
  std::optional<models::ChatTemplate> chat_template_;
  std::string task_id_;
  std::unique_ptr<tasks::Task> task_;
};

}  // namespace lethe::cli
