// SPDX-License-Identifier: Apache-2.0
// The catalogue the grid asks: models, policies and tasks by name.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "harness/grid/catalogue.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::cli {

/// Answers from data/models.json, the policy registry and the task registry. Opens each checkpoint
/// once; loads no weights. Not thread-safe.
class Catalogue : public grid::Catalogue {
 public:
  grid::ModelEntry model(const std::string& name) override;
  grid::PolicyEntry policy(const std::string& text) override;
  std::string schedule(const std::string& text) override;
  std::string positions(const std::string& text) override;
  void check(const grid::Setting& setting) override;
  grid::TaskEntry task(const std::string& name, const json::object& options,
                       const grid::ModelEntry& model, std::int64_t length) override;
  /// Of the model at `path`; "" for one without a chat template.
  std::string chat_template_sha256(const std::string& path);
  /// Tokens that end a text of the model at `path`, ascending.
  json::array end_ids(const std::string& path);

 private:
  const models::Tokenizer& tokenizer(const std::string& path);
  std::map<std::string, std::unique_ptr<models::Tokenizer>> tokenizers_;
  std::map<std::string, grid::ModelEntry> models_;
  std::map<std::string, std::string> chat_templates_;
};

}  // namespace lethe::cli
