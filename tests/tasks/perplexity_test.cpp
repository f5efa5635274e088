// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/perplexity.h"

#include <cmath>
#include <vector>

#include "harness/base/error.h"
#include "tests/support/catch.h"

namespace lethe::tasks {

TEST_CASE("token and book averages weigh long books differently", "[tasks][unit]") {
  const std::vector<NllSum> books{{2.0 * 10, 10}, {1.0 * 30, 30}};
  CHECK(token_average_perplexity(books) == Approx(std::exp(50.0 / 40)));
  CHECK(book_average_perplexity(books) == Approx((std::exp(2.0) + std::exp(1.0)) / 2));
}

TEST_CASE("a sub-window of a trace has its own perplexity", "[tasks][unit]") {
  const std::vector<double> nll{1, 2, 3, 4};
  const auto part = sum_nll(nll, 1, 2);
  CHECK(part.tokens == 2);
  CHECK(perplexity(part) == Approx(std::exp(2.5)));
  CHECK_THROWS_AS(sum_nll(nll, 3, 2), Error);
  CHECK_THROWS_AS(sum_nll(nll, 0, 0), Error);
  CHECK_THROWS_AS(sum_nll(nll, 5, static_cast<std::size_t>(-1)), Error);
}

TEST_CASE("sums are compensated", "[tasks][unit]") {
  // Plain summation loses every one of the small terms.
  std::vector<double> nll{1e16};
  nll.insert(nll.end(), 1000, 1.0);
  nll.push_back(-1e16);
  CHECK(sum_nll(nll).nats == 1000.0);
}

TEST_CASE("perplexity of nothing is an error", "[tasks][unit]") {
  CHECK_THROWS_AS(perplexity({}), Error);
  CHECK_THROWS_AS(token_average_perplexity({}), Error);
  CHECK_THROWS_AS(book_average_perplexity({}), Error);
  CHECK_THROWS_AS(book_average_perplexity(std::vector<NllSum>{{1, 1}, {0, 0}}), Error);
}

}  // namespace lethe::tasks
