// SPDX-License-Identifier: Apache-2.0
#include "tests/policies/namm_reference.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>

#include "tests/support/fixtures.h"

namespace lethe::policies {
namespace {

using Row = std::vector<double>;
using Table = std::vector<Row>;

std::size_t index(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

/// Reads matrices and vectors off a list of weights, in the order of its documentation.
class Weights {
 public:
  explicit Weights(const std::vector<float>& values) : next_(values.begin()) {}
  Table matrix(std::size_t inputs, std::size_t outputs) {
    Table out;
    for (std::size_t i = 0; i < inputs; ++i) out.push_back(vector(outputs));
    return out;
  }
  Row vector(std::size_t size) {
    Row out(next_, next_ + static_cast<std::ptrdiff_t>(size));
    next_ += static_cast<std::ptrdiff_t>(size);
    return out;
  }

 private:
  std::vector<float>::const_iterator next_;
};

Table linear(const Table& x, const Table& weights, const Row& bias) {
  Table out;
  for (const Row& row : x) {
    Row result = bias;
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (std::size_t o = 0; o < bias.size(); ++o) result[o] += row[i] * weights[i][o];
    }
    out.push_back(result);
  }
  return out;
}

Table attention_to_newer(const Table& qkv, std::size_t d) {
  Table out;
  for (std::size_t i = 0; i < qkv.size(); ++i) {
    Row weights(qkv.size(), 0.0);
    double total = 0;
    for (std::size_t j = i; j < qkv.size(); ++j) {
      double score = 0;
      for (std::size_t c = 0; c < d; ++c) score += qkv[i][c] * qkv[j][d + c];
      weights[j] = std::exp(score / std::sqrt(static_cast<double>(d)));
      total += weights[j];
    }
    Row sum(d, 0.0);
    for (std::size_t j = i; j < qkv.size(); ++j) {
      for (std::size_t c = 0; c < d; ++c) sum[c] += weights[j] / total * qkv[j][2 * d + c];
    }
    out.push_back(sum);
  }
  return out;
}

/// Indices by score, the highest first; of equal ones the newest first.
std::vector<std::size_t> ranking(const Row& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a > b);
  });
  return order;
}

}  // namespace

NammParameters random_namm(std::uint64_t seed, std::int64_t update_interval, float deviation,
                           NammVariant variant, std::int64_t hidden) {
  NammParameters out = zero_namm_parameters(variant, hidden, update_interval);
  RandomStream random(seed);
  for (float& weight : out.weights) weight = static_cast<float>(0.4 * random.uniform() - 0.2);
  out.deviation.fill(deviation);
  return out;
}

std::string random_namm_file(std::uint64_t seed) {
  static const test::TempDir folder;
  const auto path = folder / ("namm-" + std::to_string(seed) + ".json");
  if (!std::filesystem::exists(path)) write_namm_file(path, random_namm(seed, 16, 0.1F));
  return path.string();
}

Bins naive_omega(const std::vector<double>& column, const Bins& before) {
  const std::size_t frames = column.size() / kNammHop - 1;
  const double decay = std::pow(0.99, 16);
  Bins out;
  for (std::size_t k = 0; k < kNammBins; ++k) {
    out[k] = std::pow(decay, static_cast<double>(frames)) * before[k];
    for (std::size_t t = 0; t < frames; ++t) {
      std::complex<double> sum;
      for (std::size_t n = 0; n < kNammWindow; ++n) {
        const double turn = 2 * std::numbers::pi * static_cast<double>(n) / kNammWindow;
        sum += (0.5 - 0.5 * std::cos(turn)) * column[kNammHop * t + n] *
               std::polar(1.0, -turn * static_cast<double>(k));
      }
      out[k] += (1 - decay) * std::pow(decay, static_cast<double>(frames - 1 - t)) * std::abs(sum);
    }
  }
  return out;
}

Table naive_features(const NammParameters& parameters, const std::vector<std::int64_t>& positions,
                     const std::vector<Bins>& omega) {
  Table x;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    Row row;
    const auto age = static_cast<double>(positions.back() - positions[i]);
    for (int j = 0; j < 4; ++j) row.push_back(std::sin(age * std::pow(50000, -j / 4.0)));
    for (int j = 0; j < 4; ++j) row.push_back(std::cos(age * std::pow(50000, -j / 4.0)));
    for (std::size_t k = 0; k < kNammBins; ++k) {
      row.push_back((omega[i][k] - static_cast<double>(parameters.mean[k])) /
                    static_cast<double>(parameters.deviation[k]));
    }
    x.push_back(row);
  }
  return x;
}

Row naive_scores(const NammParameters& parameters, const Table& x) {
  const auto d = index(parameters.hidden);
  const bool bam = parameters.variant == NammVariant::kBam;
  Weights weights(parameters.weights);
  const Table first = weights.matrix(25, bam ? 3 * d : d);
  const Row first_bias = weights.vector(bam ? 3 * d : d);
  const Table second = weights.matrix(d, bam ? 50 : 25);
  const Row second_bias = weights.vector(bam ? 50 : 25);
  const Row head = weights.vector(25);
  const double bias = weights.vector(1).front();
  Table hidden = linear(x, first, first_bias);
  if (bam) {
    hidden = attention_to_newer(hidden, d);
  } else {
    for (Row& row : hidden) {
      for (double& value : row) value = std::max(value, 0.0);
    }
  }
  const Table outer = linear(hidden, second, second_bias);
  Row scores;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double score = bias;
    for (std::size_t c = 0; c < 25; ++c) {
      const double factor = bam ? 1 + outer[i][25 + c] : 1;
      score += (x[i][c] * factor + outer[i][c]) * head[c];
    }
    scores.push_back(score);
  }
  return scores;
}

std::vector<NaiveUpdate> walk_namm_naively(const NammParameters& parameters,
                                           const SimulatedLayer& layer,
                                           std::optional<std::size_t> cap) {
  const auto heads = tables_of(layer, Scope::kKvHead);
  std::vector<std::vector<std::int64_t>> live(heads.size());
  std::vector<std::map<std::int64_t, Bins>> memory(heads.size());
  std::vector<NaiveUpdate> all;
  const std::int64_t interval = parameters.update_interval;
  for (std::int64_t step = interval - 1; step < layer.tokens; step += interval) {
    std::vector<NaiveUpdate> updates;
    std::size_t wanted = 0;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      NaiveUpdate update{step, static_cast<int>(h), {}, {}, {}, {}, 1e30};
      for (std::int64_t p = step - interval + 1; p <= step; ++p) live[h].push_back(p);
      update.positions = live[h];
      for (const std::int64_t key : live[h]) {
        Row column;
        for (std::int64_t query = step - interval + 1 - 16; query <= step; ++query) {
          double sum = 0;
          for (int q = heads[h].first; query >= key && q < heads[h].first + heads[h].heads; ++q) {
            sum += layer.weight(query, q, key);
          }
          column.push_back(sum / heads[h].heads);
        }
        memory[h][key] = naive_omega(column, memory[h][key]);
        update.omega.push_back(memory[h][key]);
      }
      update.scores =
          naive_scores(parameters, naive_features(parameters, update.positions, update.omega));
      std::size_t above = 1;
      for (std::size_t i = 0; i + 1 < update.scores.size(); ++i) {
        above += update.scores[i] >= 0 ? 1 : 0;
        update.margin = std::min(update.margin, std::abs(update.scores[i]));
      }
      wanted = std::max(wanted, above);
      updates.push_back(update);
    }
    const std::size_t kept = std::min(wanted, cap.value_or(wanted));
    for (std::size_t h = 0; h < heads.size(); ++h) {
      Row scores = updates[h].scores;
      scores.back() = std::numeric_limits<double>::infinity();
      const auto order = ranking(scores);
      for (std::size_t i = kept; i < order.size(); ++i) {
        updates[h].victims.push_back(live[h][order[i]]);
      }
      if (kept < order.size()) {
        updates[h].margin =
            std::min(updates[h].margin, scores[order[kept - 1]] - scores[order[kept]]);
      }
      std::sort(updates[h].victims.begin(), updates[h].victims.end());
      std::erase_if(live[h], [&](std::int64_t position) {
        return std::binary_search(updates[h].victims.begin(), updates[h].victims.end(), position);
      });
    }
    all.insert(all.end(), updates.begin(), updates.end());
  }
  return all;
}

}  // namespace lethe::policies
