// SPDX-License-Identifier: Apache-2.0
// A tokenizer and a model that need no checkpoint: one token per byte, NLL from a formula.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/engine/evaluate.h"
#include "models/engine/generate.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::test {

/// Ids are the bytes of the text. Counts how often encode() is called.
class ByteTokenizer : public models::Tokenizer {
 public:
  explicit ByteTokenizer(bool bos = false, std::string identity = "bytes")
      : bos_(bos), identity_(std::move(identity)) {}
  std::vector<std::int64_t> encode(std::string_view text, bool) const override {
    ++encoded;
    return {text.begin(), text.end()};
  }
  std::string decode(const std::vector<std::int64_t>& ids, bool) const override {
    return {ids.begin(), ids.end()};
  }
  std::int64_t vocab_size() const override { return 300; }
  std::optional<std::int64_t> bos_id() const override {
    return bos_ ? std::optional<std::int64_t>(299) : std::nullopt;
  }
  std::optional<std::int64_t> eos_id() const override { return std::nullopt; }
  bool adds_bos() const override { return bos_; }
  std::string content_sha256() const override { return identity_; }

  mutable int encoded = 0;

 private:
  bool bos_;
  std::string identity_;
};

/// NLL of a token = its id / 100. Remembers what it was given.
class FormulaModel : public models::Model {
 public:
  const models::ModelConfig& config() const override { return config_; }
  models::DType dtype() const override { return models::DType::kFloat32; }
  void check(std::span<const std::int64_t>, const policies::PolicyPlan&,
             const models::EvaluateOptions&) const override {}
  models::EvaluateResult evaluate(std::span<const std::int64_t> tokens, const policies::PolicyPlan&,
                                  const models::EvaluateOptions& options) const override {
    seen.assign(tokens.begin(), tokens.end());
    budget = options.budget;
    seed = options.seed;
    models::EvaluateResult result;
    for (std::size_t i = 1; i < tokens.size(); ++i) {
      result.nll.push_back(static_cast<double>(tokens[i]) / 100);
    }
    models::LayerStats layer;
    layer.seen = static_cast<std::int64_t>(tokens.size());
    layer.evicted = 3;
    layer.kept_min = 4;
    layer.kept_max = 5;
    result.layers = {layer};
    result.kv_bytes = 10;
    result.peak_kv_bytes = 20;
    result.seconds = 0.5;
    return result;
  }

  models::GenerateTotals generate(std::span<const models::GenerateRequest>,
                                  const models::GenerateOptions&,
                                  const models::GenerateDone&) const override {
    return {};
  }

  models::ProductTime time_products(const models::EvaluateOptions&, std::int64_t) const override {
    return {};
  }

  mutable std::vector<std::int64_t> seen;
  mutable std::optional<std::int64_t> budget;
  mutable std::uint64_t seed = 0;

 private:
  models::ModelConfig config_;
};

}  // namespace lethe::test
