// SPDX-License-Identifier: Apache-2.0
// A catalogue of made-up names for the tests of grid and runner.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/grid/catalogue.h"

namespace lethe::test {

/// Knows the models "small" and "large", the policies "full" (no budget), "tova" (alias
/// "tova-layer") and "window", and every task; a task has `samples_per_task` samples in clusters of
/// two.
class FakeCatalogue final : public grid::Catalogue {
 public:
  int samples_per_task = 3;
  json::object model_identity{{"weights_sha256", "aa"}, {"quantisation", "Q4_1"}};
  json::object task_identity{{"version", 1}};
  std::string id_suffix, cluster_suffix;
  std::string chat_template_sha256;
  std::string policy_content_sha256;  ///< of what tova names
  std::string content;                ///< of all samples, mixed into their hashes
  int calls = 0;

  grid::ModelEntry model(const std::string& name) override {
    ++calls;
    const std::vector<std::string> known{"small", "large"};
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw unknown_name(ErrorKind::kModel, "model", name, known);
    }
    auto identity = model_identity;
    identity["model"] = name;
    if (name == "small") return {name, "/models/small", identity, 2048, 100, 32, 40, 4096};
    return {name, "/models/" + name, identity, 2048, 1000, std::nullopt};
  }

  grid::PolicyEntry policy(const std::string& text) override {
    ++calls;
    if (text == "full") return {"full", false};
    if (text == "tova-layer") return {"tova", true, "", policy_content_sha256};
    if (text == "tova") return {text, true, "", policy_content_sha256};
    if (text.starts_with("window")) return {text, true};
    throw unknown_name(ErrorKind::kPolicy, "policy", text,
                       std::vector<std::string>{"full", "tova", "window"});
  }

  std::string schedule(const std::string& text) override {
    if (text == "block:1") return "exact";
    if (text == "exact" || text.starts_with("block:")) return text;
    throw unknown_name(ErrorKind::kConfig, "schedule", text,
                       std::vector<std::string>{"exact", "block:m"});
  }

  std::string positions(const std::string& text) override {
    if (text == "original" || text == "cache-relative") return text;
    throw unknown_name(ErrorKind::kConfig, "positions", text,
                       std::vector<std::string>{"original", "cache-relative"});
  }

  /// Every setting that was asked about; refuses window under anything but exact.
  std::vector<grid::Setting> settings;
  void check(const grid::Setting& setting) override {
    settings.push_back(setting);
    if (setting.policy.starts_with("window") && setting.schedule != "exact") {
      throw Error(ErrorKind::kConfig, "policy window cannot run under " + setting.schedule);
    }
  }

  grid::TaskEntry task(const std::string& name, const json::object& options,
                       const grid::ModelEntry&, std::int64_t length) override {
    ++calls;
    auto identity = task_identity;
    identity["options"] = options;
    grid::TaskEntry entry{name, identity, {}, 0};
    entry.chat_template_sha256 = chat_template_sha256;
    for (int i = 0; i < samples_per_task; ++i) {
      const std::string id = std::to_string(i / 2) + "/" + std::to_string(i % 2);
      entry.samples.push_back({id + id_suffix,
                               sha256_hex(name + id + std::to_string(length) + content),
                               std::to_string(i / 2) + cluster_suffix});
    }
    return entry;
  }
};

}  // namespace lethe::test
