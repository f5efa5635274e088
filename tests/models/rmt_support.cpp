// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rmt_support.h"

#include <algorithm>
#include <cmath>

#include "harness/base/json.h"
#include "harness/base/seed.h"
#include "models/checkpoint/safetensors.h"
#include "models/checkpoint/safetensors_writer.h"
#include "tests/models/file_support.h"

namespace lethe::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCls = 2, kSep = 3;
const std::vector<std::string> kLabels = {"bathroom", "hallway", "garden",
                                          "office",   "bedroom", "kitchen"};

json::object config_of(const RmtShape& shape) {
  json::object config{{"model_type", "bert"},
                      {"vocab_size", shape.vocabulary},
                      {"hidden_size", shape.hidden},
                      {"num_hidden_layers", shape.layers},
                      {"num_attention_heads", shape.heads},
                      {"intermediate_size", shape.intermediate},
                      {"max_position_embeddings", shape.positions},
                      {"type_vocab_size", shape.token_types},
                      {"hidden_act", "gelu"},
                      {"layer_norm_eps", 1e-12},
                      {"lethe_relative_clip", shape.relative_clip},
                      {"lethe_norm_before", shape.norm_before}};
  if (shape.recurrent) {
    config["lethe_rmt"] = {{"memory_tokens", shape.memory},
                           {"segment_tokens", shape.segment},
                           {"cls_id", kCls},
                           {"sep_id", kSep},
                           {"labels", json::array(kLabels.begin(), kLabels.end())},
                           {"training", json::object{}}};
  }
  return config;
}

double gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

PlainRmt::Row sum_of(const PlainRmt::Row& a, const PlainRmt::Row& b) {
  PlainRmt::Row sum(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) sum[i] = a[i] + b[i];
  return sum;
}

}  // namespace

std::map<std::string, RandomTensor> random_tensors(const RmtShape& shape, std::uint64_t seed) {
  std::map<std::string, RandomTensor> all;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> sizes, double bound,
                       double middle = 0) {
    RandomStream random(derive_seed(seed, name));
    std::int64_t count = 1;
    for (const std::int64_t size : sizes) count *= size;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = static_cast<float>(middle + bound * (2 * random.uniform() - 1));
    }
    all[name] = {std::move(sizes), std::move(values)};
  };
  const std::int64_t hidden = shape.hidden, wide = shape.intermediate;
  const auto norm = [&](const std::string& stem) {
    add(stem + ".weight", {hidden}, 0.3, 1);
    add(stem + ".bias", {hidden}, 0.3);
  };
  const auto linear = [&](const std::string& stem, std::int64_t out, std::int64_t in) {
    add(stem + ".weight", {out, in}, 2 / std::sqrt(static_cast<double>(in)));
    add(stem + ".bias", {out}, 0.3);
  };
  const std::string embeddings = shape.prefix + "embeddings.";
  add(embeddings + "word_embeddings.weight", {shape.vocabulary, hidden}, 1);
  add(embeddings + "position_embeddings.weight", {shape.positions, hidden}, 1);
  add(embeddings + "token_type_embeddings.weight", {shape.token_types, hidden}, 0.5);
  norm(embeddings + "LayerNorm");
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string layer = shape.prefix + "encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"}) {
      linear(layer + "attention.self." + part, hidden, hidden);
    }
    if (shape.relative_clip > 0) {
      add(layer + "attention.self.relative_bias.weight", {shape.heads, 2 * shape.relative_clip + 1},
          0.3);
    }
    linear(layer + "attention.output.dense", hidden, hidden);
    norm(layer + "attention.output.LayerNorm");
    linear(layer + "intermediate.dense", wide, hidden);
    linear(layer + "output.dense", hidden, wide);
    norm(layer + "output.LayerNorm");
  }
  if (shape.norm_before) norm(shape.prefix + "encoder.LayerNorm");
  if (shape.recurrent) {
    if (shape.memory > 0) add("rmt.memory.weight", {shape.memory, hidden}, 1);
    linear(shape.prefix + "pooler.dense", hidden, hidden);
    linear("classifier", std::ssize(kLabels), hidden);
  }
  return all;
}

void write_rmt_folder(const fs::path& folder, const RmtShape& shape, std::uint64_t seed,
                      const std::function<void(std::map<std::string, RandomTensor>&)>& change) {
  fs::create_directories(folder);
  auto tensors = random_tensors(shape, seed);
  if (change) change(tensors);
  std::vector<models::FloatArray> arrays;
  for (const auto& [name, tensor] : tensors) arrays.push_back({name, tensor.shape, tensor.values});
  write_bytes(folder / "model.safetensors", models::safetensors_bytes(std::move(arrays)));
  write_bytes(folder / "config.json", json::serialize(config_of(shape)));
}

PlainRmt::PlainRmt(const fs::path& folder) {
  const auto config = read_json_file(folder / "config.json", ErrorKind::kModel);
  const models::SafetensorsFile file(folder / "model.safetensors");
  const auto number = [&](const char* name) { return config.at(name).to_number<std::int64_t>(); };
  heads_ = static_cast<std::size_t>(number("num_attention_heads"));
  clip_ = number("lethe_relative_clip");
  eps_ = config.at("layer_norm_eps").to_number<double>();
  norm_before_ = config.at("lethe_norm_before").as_bool();
  cls_ = config.at("lethe_rmt").at("cls_id").to_number<std::int64_t>();
  sep_ = config.at("lethe_rmt").at("sep_id").to_number<std::int64_t>();
  const std::string prefix = file.has("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  const auto matrix = [&](const std::string& name) {
    const auto values = file.read_f64(name);
    const auto width = static_cast<std::ptrdiff_t>(file.shape(name).at(1));
    Rows rows;
    for (auto at = values.begin(); at != values.end(); at += width)
      rows.emplace_back(at, at + width);
    return rows;
  };
  const auto linear = [&](const std::string& stem) {
    return Linear{matrix(stem + ".weight"), file.read_f64(stem + ".bias")};
  };
  const auto norm = [&](const std::string& stem) {
    return Scaling{file.read_f64(stem + ".weight"), file.read_f64(stem + ".bias")};
  };
  words_ = matrix(prefix + "embeddings.word_embeddings.weight");
  positions_ = matrix(prefix + "embeddings.position_embeddings.weight");
  types_ = matrix(prefix + "embeddings.token_type_embeddings.weight");
  embedding_norm_ = norm(prefix + "embeddings.LayerNorm");
  for (std::int64_t i = 0; i < number("num_hidden_layers"); ++i) {
    const std::string layer = prefix + "encoder.layer." + std::to_string(i) + ".";
    const std::string self = layer + "attention.self.";
    layers_.push_back({linear(self + "query"), linear(self + "key"), linear(self + "value"),
                       linear(layer + "attention.output.dense"),
                       linear(layer + "intermediate.dense"), linear(layer + "output.dense"),
                       norm(layer + "attention.output.LayerNorm"), norm(layer + "output.LayerNorm"),
                       clip_ > 0 ? matrix(self + "relative_bias.weight") : Rows()});
  }
  if (norm_before_) final_norm_ = norm(prefix + "encoder.LayerNorm");
  if (file.has("rmt.memory.weight")) memory_ = matrix("rmt.memory.weight");
  pooler_ = linear(prefix + "pooler.dense");
  head_ = linear("classifier");
}

PlainRmt::Row PlainRmt::applied(const Linear& linear, const Row& x) const {
  Row out = linear.bias;
  for (std::size_t o = 0; o < out.size(); ++o) {
    for (std::size_t i = 0; i < x.size(); ++i) out[o] += linear.weight[o][i] * x[i];
  }
  return out;
}

PlainRmt::Row PlainRmt::normed(const Scaling& norm, const Row& x) const {
  const auto count = static_cast<double>(x.size());
  double mean = 0, square = 0;
  for (const double value : x) mean += value / count;
  for (const double value : x) square += (value - mean) * (value - mean) / count;
  Row out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = (x[i] - mean) / std::sqrt(square + eps_) * norm.weight[i] + norm.bias[i];
  }
  return out;
}

PlainRmt::Rows PlainRmt::attended(const Layer& layer, const Rows& seen) const {
  Rows queries, keys, values;
  for (const Row& row : seen) {
    queries.push_back(applied(layer.query, row));
    keys.push_back(applied(layer.key, row));
    values.push_back(applied(layer.value, row));
  }
  const std::size_t tokens = seen.size(), width = seen.front().size() / heads_;
  Rows out(tokens, Row(seen.front().size(), 0.0));
  for (std::size_t h = 0; h < heads_; ++h) {
    for (std::size_t i = 0; i < tokens; ++i) {
      Row weights(tokens);
      double sum = 0;
      for (std::size_t j = 0; j < tokens; ++j) {
        double score = 0;
        for (std::size_t c = h * width; c < (h + 1) * width; ++c)
          score += queries[i][c] * keys[j][c];
        score /= std::sqrt(static_cast<double>(width));
        if (clip_ > 0) {
          const auto offset = static_cast<std::int64_t>(j) - static_cast<std::int64_t>(i);
          // Stored divided by 8.
          score += 8 * layer.relative_bias[h][static_cast<std::size_t>(
                           std::clamp(offset, -clip_, clip_) + clip_)];
        }
        weights[j] = std::exp(score);
        sum += weights[j];
      }
      for (std::size_t j = 0; j < tokens; ++j) {
        for (std::size_t c = h * width; c < (h + 1) * width; ++c) {
          out[i][c] += weights[j] / sum * values[j][c];
        }
      }
    }
  }
  for (Row& row : out) row = applied(layer.out, row);
  return out;
}

PlainRmt::Row PlainRmt::mlp(const Layer& layer, const Row& x) const {
  Row inner = applied(layer.up, x);
  for (double& value : inner) value = gelu(value);
  return applied(layer.down, inner);
}

PlainRmt::Rows PlainRmt::run(const Layer& layer, const Rows& hidden) const {
  Rows seen = hidden;
  if (norm_before_) {
    for (Row& row : seen) row = normed(layer.attention_norm, row);
  }
  Rows out = attended(layer, seen);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Row sum = sum_of(hidden[i], out[i]);
    if (norm_before_) {
      out[i] = sum_of(sum, mlp(layer, normed(layer.mlp_norm, sum)));
    } else {
      const Row middle = normed(layer.attention_norm, sum);
      out[i] = normed(layer.mlp_norm, sum_of(middle, mlp(layer, middle)));
    }
  }
  return out;
}

PlainRmt::Rows PlainRmt::hidden_states(std::span<const std::int64_t> text,
                                       const Rows& memory) const {
  const auto word = [&](std::int64_t id) { return words_.at(static_cast<std::size_t>(id)); };
  Rows hidden{word(cls_)};
  if (!memory.empty()) {
    hidden.insert(hidden.end(), memory.begin(), memory.end());
    hidden.push_back(word(sep_));
  }
  for (const std::int64_t id : text) hidden.push_back(word(id));
  hidden.push_back(word(sep_));
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    hidden[i] =
        normed(embedding_norm_, sum_of(hidden[i], sum_of(positions_.at(i), types_.front())));
  }
  for (const Layer& layer : layers_) hidden = run(layer, hidden);
  if (norm_before_) {
    for (Row& row : hidden) row = normed(final_norm_, row);
  }
  return hidden;
}

PlainRmt::Rows PlainRmt::next_memory(const Rows& hidden) const {
  return {hidden.begin() + 1, hidden.begin() + 1 + std::ssize(memory_)};
}

PlainRmt::Row PlainRmt::logits(const Row& cls) const {
  Row pooled = applied(pooler_, cls);
  for (double& value : pooled) value = std::tanh(value);
  return applied(head_, pooled);
}

}  // namespace lethe::test
