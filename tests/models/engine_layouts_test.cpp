// SPDX-License-Identifier: Apache-2.0
// Variants of checkpoints and configurations: prefixes, what is missing or misshapen, rotary
// scalings in numbers, learned positions and their end.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include <ATen/ATen.h>

#include "models/transformer/encoder.h"
#include "models/transformer/kernels.h"
#include "models/transformer/rotary.h"
#include "tests/models/engine_support.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::DType;
using models::ModelConfig;
using models::Path;
using models::RopeKind;

/// A tiny checkpoint whose configuration, names or shapes are changed.
class Changed final : public models::Checkpoint {
 public:
  explicit Changed(const std::string& name)
      : whole_(models::open_checkpoint(golden("tiny/" + name))), config_(whole_->config()) {
    for (const auto& tensor : whole_->tensors()) add(tensor, tensor.name);
  }

  ModelConfig& change() { return config_; }
  /// Every name that begins with `from` begins with `to` instead.
  void rename(const std::string& from, const std::string& to) {
    const auto before = std::exchange(tensors_, {});
    const auto sources = std::exchange(sources_, {});
    for (std::size_t i = 0; i < before.size(); ++i) {
      models::TensorInfo tensor = before[i];
      if (tensor.name.starts_with(from)) tensor.name = to + tensor.name.substr(from.size());
      add(tensor, sources[i]);
    }
  }
  void remove(const std::string& name) {
    const auto found = find(name);
    sources_.erase(sources_.begin() + (found - tensors_.begin()));
    tensors_.erase(found);
  }
  void add_row(const std::string& name) { ++find(name)->shape.front(); }

  const ModelConfig& config() const override { return config_; }
  std::string label() const override { return whole_->label(); }
  std::vector<std::filesystem::path> files() const override { return whole_->files(); }
  const std::vector<models::TensorInfo>& tensors() const override { return tensors_; }
  void read(std::string_view name, std::span<float> out) const override {
    const auto found = std::ranges::find(tensors_, name, &models::TensorInfo::name);
    whole_->read(sources_[static_cast<std::size_t>(found - tensors_.begin())], out);
  }

 private:
  std::vector<models::TensorInfo>::iterator find(const std::string& name) {
    const auto found = std::ranges::find(tensors_, name, &models::TensorInfo::name);
    REQUIRE(found != tensors_.end());
    return found;
  }
  // Sorted by name, as the readers give them.
  void add(const models::TensorInfo& tensor, const std::string& source) {
    const auto at = std::ranges::lower_bound(tensors_, tensor.name, {}, &models::TensorInfo::name);
    sources_.insert(sources_.begin() + (at - tensors_.begin()), source);
    tensors_.insert(at, tensor);
  }

  std::unique_ptr<models::Checkpoint> whole_;
  ModelConfig config_;
  std::vector<models::TensorInfo> tensors_;
  std::vector<std::string> sources_;  // name in whole_ of each
};

std::string load_error(const models::Checkpoint& checkpoint) {
  return error_of(ErrorKind::kModel, [&] { models::load_model(checkpoint, DType::kFloat32); });
}

TEST_CASE("published files with and without a prefix are one model", "[unit]") {
  const auto ids = random_ids(30, 81);
  const auto same = [&](const std::string& name, const std::string& from, const std::string& to) {
    Changed checkpoint(name);
    checkpoint.rename(from, to);
    CAPTURE(name);
    const auto model = models::load_model(checkpoint, DType::kFloat32);
    CHECK(run(*model, ids, "full", {}).result.nll ==
          run(tiny_model(name, DType::kFloat32), ids, "full", {}).result.nll);
  };
  same("gpt2", "transformer.", "");
  same("opt", "model.decoder.", "decoder.");
  Changed bert("bert");
  bert.rename("", "bert.");
  CHECK(models::load_encoder(bert, DType::kFloat32)->embedding({.ids = ids}) ==
        models::load_encoder(Changed("bert"), DType::kFloat32)->embedding({.ids = ids}));
}

TEST_CASE("a missing or misshapen tensor is named, in every family", "[fault]") {
  const std::vector<std::pair<std::string, std::string>> tensors = {
      {"qwen2", "model.layers.1.self_attn.k_proj.bias"},
      {"qwen3", "model.layers.1.self_attn.q_norm.weight"},
      {"phi3", "model.layers.1.mlp.gate_up_proj.weight"},
      {"gemma2", "model.layers.1.post_feedforward_layernorm.weight"},
      {"gpt2", "transformer.h.1.attn.c_attn.weight"},
      {"gpt2", "transformer.wpe.weight"},
      {"gpt_neox", "gpt_neox.layers.1.attention.query_key_value.bias"},
      {"gpt_neox", "embed_out.weight"},
      {"opt", "model.decoder.embed_positions.weight"},
      {"opt", "model.decoder.layers.1.fc2.weight"}};
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name, tensor);
    Changed missing(name);
    missing.remove(tensor);
    CHECK_THAT(load_error(missing), Catch::Contains("expected tensor '" + tensor + "'"));
    Changed misshapen(name);
    misshapen.add_row(tensor);
    CHECK_THAT(load_error(misshapen), Catch::Contains("tensor '" + tensor + "': expected shape"));
  }
  Changed bert("bert");
  bert.remove("embeddings.token_type_embeddings.weight");
  CHECK_THAT(error_of(ErrorKind::kModel, [&] { models::load_encoder(bert, DType::kFloat32); }),
             Catch::Contains("'embeddings.token_type_embeddings.weight'"));
  Changed unknown("llama_mha");
  unknown.change().architecture = "mamba";
  CHECK_THAT(load_error(unknown), Catch::Contains("a mamba model") &&
                                      Catch::Contains("decoders exist for llama, mistral, qwen2"));
}

TEST_CASE("a sequential GPT-NeoX is another model than a parallel one", "[property]") {
  const auto ids = random_ids(60, 82);
  Changed sequential("gpt_neox");
  sequential.change().parallel_residual = false;
  const auto model = models::load_model(sequential, DType::kFloat64);
  const auto scan = run(*model, ids, "full", {}).result.nll;
  models::EvaluateOptions options;
  options.path = Path::kDense;
  CHECK(max_difference(run(*model, ids, "full", options).result.nll, scan) < 1e-9);
  CHECK(max_difference(run(tiny_model("gpt_neox", DType::kFloat64), ids, "full", {}).result.nll,
                       scan) > 1e-2);
}

TEST_CASE("learned positions end, and cannot be given anew", "[fault]") {
  for (const std::string name : {"gpt2", "opt"}) {
    const auto& model = tiny_model(name, DType::kFloat32);
    CAPTURE(name);
    CHECK(run(model, random_ids(128, 83), "full", {}).result.nll.size() == 127);
    CHECK_THAT(error_of(ErrorKind::kConfig, [&] { run(model, random_ids(129, 83), "full", {}); }),
               Catch::Contains("a table of 128 positions") && Catch::Contains("129 tokens"));
    models::EvaluateOptions options;
    options.path = Path::kStep;
    options.positions = policies::Positions::kCacheRelative;
    CHECK_THAT(
        error_of(ErrorKind::kConfig, [&] { run(model, random_ids(9, 83), "full", options); }),
        Catch::Contains("has its positions in the embeddings"));
  }
}

TEST_CASE("partly rotated and scaled keys can be given new positions", "[property]") {
  const auto ids = random_ids(70, 84);
  for (const std::string name : {"gpt_neox", "qwen3", "llama_rope_yarn", "llama_rope_dynamic"}) {
    const auto& model = tiny_model(name, DType::kFloat64);
    models::EvaluateOptions options;
    options.path = Path::kStep;
    options.rope_angles = models::RopeAngles::kF64;
    options.budget = 14;
    const auto plain = run(model, ids, "window", options);
    // Rotary attention sees differences of positions only, so a window may begin anywhere.
    options.positions = policies::Positions::kCacheRelative;
    CAPTURE(name);
    CHECK(max_difference(run(model, ids, "window", options).result.nll, plain.result.nll) < 1e-9);
  }
}

/// cos of the angles at position 1, in float64.
std::vector<double> cosines(const ModelConfig& config, std::int64_t length = 1) {
  const std::vector<double> one = {1.0};
  const at::Tensor cos =
      models::rotary_table(config, {models::RopeAngles::kF64, length}, one, at::kDouble).cos;
  return {cos.const_data_ptr<double>(), cos.const_data_ptr<double>() + cos.numel()};
}

models::RopeScaling scaling(RopeKind kind, double factor, std::int64_t original_length) {
  models::RopeScaling rope;
  rope.kind = kind;
  rope.factor = factor;
  rope.original_length = original_length;
  return rope;
}

std::vector<double> cosines_of(const std::vector<double>& frequencies) {
  std::vector<double> out;
  for (const double frequency : frequencies) out.push_back(std::cos(frequency));
  return out;
}

TEST_CASE("scaled frequencies are what their definitions say", "[unit]") {
  ModelConfig config = models::open_checkpoint(golden("tiny/llama_mha"))->config();
  config.head_dim = 16;
  std::vector<double> plain;
  for (int i = 0; i < 8; ++i) plain.push_back(std::pow(config.rope_theta, -i / 8.0));
  CHECK(max_difference(cosines(config), cosines_of(plain)) < 1e-15);

  config.rope = scaling(RopeKind::kDivisors, 1, 64);
  config.rope.divisors = {1, 1, 1, 1, 2, 3, 4, 8};
  auto expected = plain;
  for (std::size_t i = 0; i < 8; ++i) expected[i] /= static_cast<double>(config.rope.divisors[i]);
  CHECK(max_difference(cosines(config), cosines_of(expected)) < 1e-15);

  config.rope = scaling(RopeKind::kLinear, 4, 64);
  expected = plain;
  for (double& frequency : expected) frequency /= 4;
  CHECK(max_difference(cosines(config), cosines_of(expected)) < 1e-15);

  config.rope = scaling(RopeKind::kLlama3, 8, 32);
  config.rope.high_freq_factor = 4;
  expected = plain;
  for (double& frequency : expected) {
    const double turns = 32 * frequency / (2 * std::numbers::pi);
    const double share = std::clamp((turns - 1) / 3, 0.0, 1.0);
    frequency = (1 - share) * frequency / 8 + share * frequency;
  }
  CHECK(max_difference(cosines(config), cosines_of(expected)) < 1e-15);

  config.rope = scaling(RopeKind::kDynamic, 2, 32);
  CHECK(max_difference(cosines(config, 32), cosines_of(plain)) < 1e-15);
  const double theta = config.rope_theta * std::pow(2.0 * 96 / 32 - 1, 16.0 / 14.0);
  expected.clear();
  for (int i = 0; i < 8; ++i) expected.push_back(std::pow(theta, -i / 8.0));
  CHECK(max_difference(cosines(config, 96), cosines_of(expected)) < 1e-15);
}

TEST_CASE("YaRN's attention factor is given, or follows from factor and mscales", "[unit]") {
  ModelConfig config = models::open_checkpoint(golden("tiny/llama_rope_yarn"))->config();
  // The first dimension turns often: YaRN leaves its frequency, 1, and scales cos alone.
  const auto factor = [&] { return cosines(config).front() / std::cos(1.0); };
  const double by_factor = 0.1 * std::log(4.0) + 1;
  CHECK(factor() == Approx(by_factor).epsilon(1e-12));
  config.rope.mscale = 2.0;
  CHECK(factor() == Approx(by_factor).epsilon(1e-12));
  config.rope.mscale_all_dim = 0.5;
  CHECK(factor() == Approx((0.2 * std::log(4.0) + 1) / (0.05 * std::log(4.0) + 1)).epsilon(1e-12));
  config.rope.attention_factor = 1.5;
  CHECK(factor() == Approx(1.5).epsilon(1e-12));
}

TEST_CASE("dynamic angles come from the whole text, and are shared with no other", "[property]") {
  const auto& model = tiny_model("llama_rope_dynamic", DType::kFloat64);
  const auto ids = random_ids(300, 85);
  const std::vector<std::int64_t> half(ids.begin(), ids.begin() + 150);
  models::EvaluateOptions options;
  const auto whole = run(model, ids, "full", options).result.nll;
  const auto first = run(model, half, "full", options).result.nll;
  CHECK(max_difference(whole, first, 149) > 1e-3);
  models::PrefixCache prefixes(1 << 26);
  options.prefixes = &prefixes;
  options.budget = 100;
  run(model, ids, "window", options);
  const auto shared = run(model, half, "window", options).result;
  CHECK(shared.shared_tokens == 0);
  options.prefixes = nullptr;
  CHECK(shared.nll == run(model, half, "window", options).result.nll);
}

TEST_CASE("the soft cap's kernel is cap * tanh(x / cap)", "[unit]") {
  const auto check = [](auto zero, double tolerance) {
    using T = decltype(zero);
    std::vector<T> values;
    for (int i = -200; i < 200; ++i) values.push_back(static_cast<T>(i * i * i) / T(8000));
    auto capped = values;
    models::kernels::soft_cap<T>(capped.data(), T(50), static_cast<std::int64_t>(capped.size()));
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double expected = 50 * std::tanh(static_cast<double>(values[i]) / 50);
      worst = std::max(worst, std::abs(static_cast<double>(capped[i]) - expected));
    }
    CHECK(worst < tolerance);
  };
  check(float{}, 1e-5);
  check(double{}, 1e-13);
}

}  // namespace
}  // namespace lethe::test
