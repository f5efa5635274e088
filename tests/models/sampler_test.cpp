// SPDX-License-Identifier: Apache-2.0
// The next token: greedy, temperature and the filters of transformers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "models/engine/sampler.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::Sampler;
using models::Sampling;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Logits of these probabilities.
std::vector<float> logits_of(const std::vector<double>& shares) {
  std::vector<float> out;
  for (const double share : shares) out.push_back(static_cast<float>(std::log(share)));
  return out;
}

/// Which tokens are drawn, and how often, in `draws` positions.
std::map<std::int64_t, double> shares(const Sampling& sampling, const std::vector<float>& logits,
                                      std::int64_t draws = 20000) {
  Sampler sampler(sampling, 7);
  std::map<std::int64_t, double> found;
  for (std::int64_t i = 0; i < draws; ++i) found[sampler.next(logits, i)] += 1.0 / 20000;
  return found;
}

std::set<std::int64_t> drawn(const Sampling& sampling, const std::vector<float>& logits) {
  std::set<std::int64_t> ids;
  for (const auto& [id, share] : shares(sampling, logits)) ids.insert(id);
  return ids;
}

Sampling with(double temperature, std::optional<std::int64_t> top_k = {},
              std::optional<double> top_p = {}, std::optional<double> min_p = {}) {
  return {temperature, top_k, top_p, min_p};
}

TEST_CASE("greedy takes the most likely token, the first of equals", "[unit]") {
  Sampler greedy({}, 1);
  CHECK(greedy.next(std::vector<float>{-1, 3, 2}, 0) == 1);
  CHECK(greedy.next(std::vector<float>{-1, 3, 3}, 0) == 1);
  CHECK(greedy.next(std::vector<float>{-kInfinity, -5, -kInfinity}, 0) == 1);
  CHECK(greedy.next(std::vector<float>{std::nanf(""), -5, -7}, 0) == 1);
  // Filters change nothing where nothing is drawn.
  Sampler filtered(with(0, 1, 0.1, 0.9), 1);
  CHECK(filtered.next(std::vector<float>{1, 2, 9, 2}, 0) == 2);
}

TEST_CASE("tokens are drawn as often as the temperature says", "[property]") {
  const auto logits = logits_of({0.5, 0.3, 0.2});
  auto found = shares(with(1), logits);
  CHECK(found[0] == Approx(0.5).margin(0.015));
  CHECK(found[1] == Approx(0.3).margin(0.015));
  // p^(1/T), normalised: 0.25, 0.09, 0.04 of 0.38 at half the temperature.
  found = shares(with(0.5), logits);
  CHECK(found[0] == Approx(0.25 / 0.38).margin(0.015));
  CHECK(found[2] == Approx(0.04 / 0.38).margin(0.015));
  CHECK(drawn(with(1e-6), logits) == std::set<std::int64_t>{0});
}

TEST_CASE("the filters keep what transformers keeps", "[unit]") {
  const auto logits = logits_of({0.1, 0.4, 0.05, 0.25, 0.2});
  using Ids = std::set<std::int64_t>;
  CHECK(drawn(with(1, 2), logits) == Ids{1, 3});
  CHECK(drawn(with(1, 100), logits) == Ids{0, 1, 2, 3, 4});
  CHECK(drawn(with(1, {}, 0.6), logits) == Ids{1, 3});
  CHECK(drawn(with(1, {}, 0.66), logits) == Ids{1, 3, 4});
  CHECK(drawn(with(1, {}, 0.01), logits) == Ids{1});
  CHECK(drawn(with(1, {}, 1.0), logits) == Ids{0, 1, 2, 3, 4});
  CHECK(drawn(with(1, {}, {}, 0.45), logits) == Ids{1, 3, 4});
  CHECK(drawn(with(1, {}, {}, 1.0), logits) == Ids{1});
  // top_p is of what top_k left: 0.4 of 0.65 is more than 0.6 of it.
  CHECK(drawn(with(1, 2, 0.6), logits) == Ids{1});
  // Equal to the last that top_k takes: all of them.
  CHECK(drawn(with(1, 1), logits_of({0.4, 0.4, 0.2})) == Ids{0, 1});
  CHECK(drawn(with(1), {0, -kInfinity, 0}) == Ids{0, 2});
}

TEST_CASE("a token depends on seed, index and logits alone", "[property]") {
  const auto logits = logits_of({0.2, 0.2, 0.2, 0.2, 0.2});
  Sampler a(with(1), 3), b(with(1), 3), other(with(1), 4);
  std::vector<std::int64_t> forward, backward, another;
  for (std::int64_t i = 0; i < 50; ++i) {
    forward.push_back(a.next(logits, i));
    backward.insert(backward.begin(), b.next(logits, 49 - i));
    another.push_back(other.next(logits, i));
  }
  CHECK(forward == backward);
  CHECK(forward != another);
}

TEST_CASE("settings and logits that make no sense are refused", "[fault]") {
  const auto message = [](const Sampling& sampling) {
    return error_of(ErrorKind::kConfig, [&] { Sampler(sampling, 0); });
  };
  CHECK_THAT(message(with(-1)), Catch::Contains("temperature: expected 0 (greedy)"));
  CHECK_THAT(message(with(std::nan(""))), Catch::Contains("temperature"));
  CHECK_THAT(message(with(1, 0)), Catch::Contains("top_k: expected at least 1"));
  CHECK_THAT(message(with(1, {}, 0.0)), Catch::Contains("top_p"));
  CHECK_THAT(message(with(1, {}, 1.1)), Catch::Contains("top_p"));
  CHECK_THAT(message(with(1, {}, {}, -0.1)), Catch::Contains("min_p"));
  Sampler greedy({}, 0);
  CHECK_THAT(error_of(ErrorKind::kData,
                      [&] {
                        greedy.next(std::vector<float>{std::nanf(""), std::nanf("")}, 0);
                      }),
             Catch::Contains("no finite logit"));
}

/// The filters by their definition: everything sorted, then cut.
std::set<std::int64_t> kept_by_definition(const Sampling& sampling,
                                          const std::vector<float>& logits) {
  std::vector<std::int64_t> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  const auto logit = [&](std::int64_t id) { return logits[static_cast<std::size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return logit(a) > logit(b); });
  const auto weight = [&](std::int64_t id) {
    return std::exp((static_cast<double>(logit(id)) - static_cast<double>(logit(order[0]))) /
                    sampling.temperature);
  };
  if (sampling.top_k && *sampling.top_k < static_cast<std::int64_t>(order.size())) {
    auto keep = static_cast<std::size_t>(*sampling.top_k);
    while (keep < order.size() && logit(order[keep]) == logit(order[keep - 1])) ++keep;
    order.resize(keep);
  }
  double total = 0;
  for (const auto id : order) total += weight(id);
  std::set<std::int64_t> kept;
  double before = 0;
  for (const auto id : order) {
    if (!kept.empty() && sampling.top_p && before >= *sampling.top_p * total) break;
    if (!kept.empty() && sampling.min_p && weight(id) < *sampling.min_p) break;
    kept.insert(id);
    before += weight(id);
  }
  return kept;
}

TEST_CASE("filters keep what sorting the whole vocabulary keeps", "[property]") {
  RandomStream random(77);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> logits(3 + random.below(400));
    // Few levels, so that many tie; flat enough that hundreds may stay.
    for (float& logit : logits) logit = static_cast<float>(random.below(12)) / 8;
    Sampling sampling = with(0.5 + random.uniform());
    const auto choice = random.below(7) + 1;
    if (choice & 1) sampling.top_k = 1 + static_cast<std::int64_t>(random.below(300));
    if (choice & 2) sampling.top_p = 0.05 + 0.9 * random.uniform();
    if (choice & 4) sampling.min_p = random.uniform();
    const auto kept = kept_by_definition(sampling, logits);
    const auto found = drawn(sampling, logits);
    CAPTURE(round, choice, logits.size(), kept.size(), found.size());
    CHECK(std::includes(kept.begin(), kept.end(), found.begin(), found.end()));
    // With 20,000 draws of at most 400 tokens within e^4 of each other, hardly one is missed.
    CHECK(found.size() >= kept.size() - kept.size() / 20);
  }
}

}  // namespace
}  // namespace lethe::test
