// SPDX-License-Identifier: Apache-2.0
#include "tests/models/plain_gpt2.h"

#include <cmath>
#include <numbers>

namespace lethe::test {
namespace {

const std::string kModel = "transformer.";

double dot(const double* a, const double* b, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void add(std::vector<double>& sum, const std::vector<double>& x) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += x[i];
}

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

}  // namespace

std::vector<double> PlainGpt2::vector(const std::string& name) const {
  std::vector<float> values(static_cast<std::size_t>(checkpoint_.info(name).elements()));
  checkpoint_.read(name, values);
  return {values.begin(), values.end()};
}

Rows PlainGpt2::matrix(const std::string& name) const {
  const auto values = vector(name);
  const auto width = static_cast<std::ptrdiff_t>(checkpoint_.info(name).shape.at(1));
  Rows rows;
  for (auto at = values.begin(); at != values.end(); at += width) rows.emplace_back(at, at + width);
  return rows;
}

std::vector<double> PlainGpt2::embedding(std::int64_t id) const {
  return matrix(kModel + "wte.weight").at(static_cast<std::size_t>(id));
}

std::vector<double> PlainGpt2::normed(const std::vector<double>& x, const std::string& name) const {
  const auto weight = vector(name + ".weight"), bias = vector(name + ".bias");
  const auto width = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const double value : x) mean += value / width;
  for (const double value : x) variance += (value - mean) * (value - mean) / width;
  std::vector<double> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.push_back((x[i] - mean) / std::sqrt(variance + checkpoint_.config().norm_eps) * weight[i] +
                  bias[i]);
  }
  return out;
}

std::vector<double> PlainGpt2::conv(const std::vector<double>& x, const std::string& name) const {
  const Rows weight = matrix(name + ".weight");
  std::vector<double> out = vector(name + ".bias");
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t o = 0; o < out.size(); ++o) out[o] += x[i] * weight[i][o];
  }
  return out;
}

Rows PlainGpt2::hidden(Rows x, const std::function<bool(std::size_t, std::size_t)>& sees) const {
  const auto& config = checkpoint_.config();
  const auto heads = static_cast<std::size_t>(config.n_heads),
             size = static_cast<std::size_t>(config.head_dim), width = heads * size;
  const Rows positions = matrix(kModel + "wpe.weight");
  for (std::size_t t = 0; t < x.size(); ++t) add(x[t], positions[t]);
  for (std::int64_t l = 0; l < config.n_layers; ++l) {
    const std::string layer = kModel + "h." + std::to_string(l) + ".";
    Rows qkv;
    for (const auto& row : x) {
      qkv.push_back(conv(normed(row, layer + "ln_1"), layer + "attn.c_attn"));
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      std::vector<double> attended(width, 0.0);
      for (std::size_t h = 0; h < heads; ++h) {
        std::vector<double> weights;
        double sum = 0;
        for (std::size_t s = 0; s < x.size(); ++s) {
          const double score = dot(&qkv[t][h * size], &qkv[s][width + h * size], size) /
                               std::sqrt(static_cast<double>(size));
          weights.push_back(sees(t, s) ? std::exp(score) : 0.0);
          sum += weights.back();
        }
        for (std::size_t s = 0; s < x.size(); ++s) {
          for (std::size_t i = 0; i < size; ++i) {
            attended[h * size + i] += weights[s] / sum * qkv[s][2 * width + h * size + i];
          }
        }
      }
      add(x[t], conv(attended, layer + "attn.c_proj"));
      auto inner = conv(normed(x[t], layer + "ln_2"), layer + "mlp.c_fc");
      for (double& value : inner) value = gelu_tanh(value);
      add(x[t], conv(inner, layer + "mlp.c_proj"));
    }
  }
  for (auto& row : x) row = normed(row, kModel + "ln_f");
  return x;
}

std::vector<double> PlainGpt2::logits(const std::vector<double>& hidden) const {
  const Rows head =
      matrix(checkpoint_.has("lm_head.weight") ? "lm_head.weight" : kModel + "wte.weight");
  std::vector<double> out;
  for (const auto& row : head) out.push_back(dot(row.data(), hidden.data(), row.size()));
  return out;
}

}  // namespace lethe::test
