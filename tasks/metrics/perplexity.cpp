// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/perplexity.h"

#include <cmath>
#include <string>

#include "harness/base/error.h"

namespace lethe::tasks {

NllSum& NllSum::operator+=(const NllSum& other) {
  nats += other.nats;
  tokens += other.tokens;
  return *this;
}

NllSum sum_nll(std::span<const double> nll) {
  double sum = 0;
  double lost = 0;
  for (const double value : nll) {
    const double next = sum + value;
    lost += std::abs(sum) >= std::abs(value) ? (sum - next) + value : (value - next) + sum;
    sum = next;
  }
  return {sum + lost, static_cast<std::int64_t>(nll.size())};
}

NllSum sum_nll(std::span<const double> nll, std::size_t first, std::size_t count) {
  if (count == 0 || first > nll.size() || count > nll.size() - first) {
    throw Error(ErrorKind::kData, "NLL range: tokens " + std::to_string(first) + " to " +
                                      std::to_string(first + count) + " asked for, the trace has " +
                                      std::to_string(nll.size()) + " values");
  }
  return sum_nll(nll.subspan(first, count));
}

double perplexity(const NllSum& group) {
  if (group.tokens < 1) {
    throw Error(ErrorKind::kData, "perplexity: no scored tokens, expected at least one");
  }
  return std::exp(group.nats / static_cast<double>(group.tokens));
}

double token_average_perplexity(std::span<const NllSum> groups) {
  NllSum all;
  for (const auto& group : groups) all += group;
  return perplexity(all);
}

double book_average_perplexity(std::span<const NllSum> groups) {
  if (groups.empty()) throw Error(ErrorKind::kData, "perplexity: no books, expected at least one");
  double sum = 0;
  for (const auto& group : groups) sum += perplexity(group);
  return sum / static_cast<double>(groups.size());
}

}  // namespace lethe::tasks
