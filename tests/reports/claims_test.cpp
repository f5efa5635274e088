// SPDX-License-Identifier: Apache-2.0
#include "reports/claims.h"

#include <cmath>

#include "harness/base/text.h"
#include "reports/published.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;

namespace {

ClaimSet shipped() {
  return read_claims(test::source_dir() / "data/published/claims-tova.json");
}

CellResult cell(const std::string& policy, std::optional<std::int64_t> budget, double mean,
                std::size_t books = 6) {
  CellResult out{.key = policy,
                 .policy = policy,
                 .budget = budget,
                 .status = store::CellStatus::kDone,
                 .reason = {},
                 .wanted = static_cast<std::int64_t>(books),
                 .samples = {}};
  for (std::size_t i = 0; i < books; ++i) {
    const double nll = mean + 0.1 * static_cast<double>(i);
    const std::string id = std::to_string(i);
    out.samples.push_back({.id = id, .hash = id, .cluster = id, .tokens = 100, .nll = 100 * nll});
  }
  return out;
}

/// Length 1,024, so that an eighth is 128; TOVA beats Window+4 at 128 and loses at 256.
Panel panel() {
  Panel out;
  out.settings = {.task = "pg19",
                  .model = "m",
                  .length = 1024,
                  .schedule = "exact",
                  .positions = "original",
                  .dtype = "float32",
                  .kv_dtype = "same",
                  .seed = 0,
                  .variant = "{}"};
  out.cells = {cell("full", std::nullopt, 3.0),  cell("tova", 128, 3.03),
               cell("tova", 256, 3.02),          cell("tova", 1024, 3.0),
               cell("window:sinks=4", 128, 3.1), cell("window:sinks=4", 256, 3.01),
               cell("window", 128, 4.0),         cell("window", 256, 3.9)};
  return out;
}

ClaimOutcome outcome(const Panel& from, const std::string& id) {
  const ClaimSet claims = shipped();
  for (ClaimOutcome& found : check_claims(from, claims, compare_panel(from, claims))) {
    if (found.claim.id == id) return found;
  }
  throw std::runtime_error("no claim " + id);
}

}  // namespace

TEST_CASE("order claims are judged at every budget below the length", "[reports][unit]") {
  const ClaimOutcome tova = outcome(panel(), "tova-at-most-window4");
  REQUIRE(tova.checks.size() == 2);
  CHECK(tova.checks[0].verdict == Verdict::kReproduced);
  CHECK(tova.checks[0].books == 6);
  REQUIRE(tova.checks[0].p);
  CHECK(*tova.checks[0].p == Approx(2.0 / 64));
  CHECK(tova.checks[1].verdict == Verdict::kNotReproduced);
  CHECK(tova.verdict() == Verdict::kNotReproduced);
  CHECK(tova.summary() == "holds in 1 of 2 checks; fails at 256");
  CHECK(outcome(panel(), "window4-at-most-window").verdict() == Verdict::kReproduced);
  CHECK(outcome(panel(), "tova-at-most-h2o").verdict() == Verdict::kNotComparable);
}

TEST_CASE("ratio claims are judged at their share of the length", "[reports][unit]") {
  CHECK(outcome(panel(), "window-breaks").verdict() == Verdict::kReproduced);
  CHECK(outcome(panel(), "window-breaks").checks[0].budget == 128);
  CHECK(outcome(panel(), "tova-eighth-of-memory").verdict() == Verdict::kReproduced);
  Panel worse = panel();
  worse.cells[1] = cell("tova", 128, 3.0 + std::log(1.06));
  CHECK(outcome(worse, "tova-eighth-of-memory").verdict() == Verdict::kNotReproduced);
  worse.cells.erase(worse.cells.begin() + 1);
  CHECK(outcome(worse, "tova-eighth-of-memory").verdict() == Verdict::kNotComparable);
  CHECK_THAT(outcome(worse, "tova-eighth-of-memory").summary(), Contains("no cell of TOVA-layer"));
}

TEST_CASE("the invariant looks at every sample and follows the number format", "[reports][unit]") {
  const std::string id = "enough-budget-equals-full";
  CHECK(outcome(panel(), id).verdict() == Verdict::kReproduced);
  Panel off = panel();
  // Two samples off in opposite directions leave the mean alone and must still be seen.
  off.cells[3].samples[0].nll += 100 * 2e-5;
  off.cells[3].samples[1].nll -= 100 * 2e-5;
  CHECK(outcome(off, id).verdict() == Verdict::kNotReproduced);
  off.settings.dtype = "bfloat16";
  CHECK(outcome(off, id).verdict() == Verdict::kReproduced);
  off.settings.dtype = "float16";
  CHECK(outcome(off, id).verdict() == Verdict::kNotComparable);
  Panel tight = panel();
  tight.settings.dtype = "float64";
  tight.cells[3].samples[0].nll += 100 * 1e-9;
  CHECK(outcome(tight, id).verdict() == Verdict::kNotReproduced);
}

TEST_CASE("another protocol, failed and foreign samples are not comparable", "[reports][unit]") {
  Panel block = panel();
  block.settings.schedule = "block:16";
  CHECK(outcome(block, "window-breaks").verdict() == Verdict::kNotComparable);
  CHECK_THAT(outcome(block, "window-breaks").summary(), Contains("block:16"));
  CHECK(outcome(block, "enough-budget-equals-full").verdict() == Verdict::kReproduced);
  Panel failed = panel();
  failed.cells[0].status = store::CellStatus::kOom;
  failed.cells[0].reason = "out of memory";
  CHECK_THAT(outcome(failed, "window-breaks").summary(), Contains("oom: out of memory"));
  Panel foreign = panel();
  for (SampleValue& sample : foreign.cells[0].samples) sample.hash = "other";
  CHECK_THAT(outcome(foreign, "window-breaks").summary(), Contains("no sample is shared"));
}

TEST_CASE("the shipped tolerances follow from the published table", "[reports][unit]") {
  const ClaimSet claims = shipped();
  const auto table =
      read_published(test::source_dir() / "data/published" / (claims.published + ".json"));
  const double top = table.find("baseline", 4096)->value;
  CHECK(top == 7.16);
  CHECK(table.values.size() == 70);
  CHECK(table.length() == 4096);
  CHECK(table.budgets() == std::vector<std::int64_t>{64, 128, 256, 512, 1024, 2048, 4096});
  CHECK_FALSE(table.find("h2o-layer", 64)->suspect.empty());
  for (const Claim& claim : claims.claims) {
    CAPTURE(claim.id);
    if (claim.kind == ClaimKind::kOrder)
      CHECK(claim.tolerance_nats == Approx(0.005 / top).epsilon(0.01));
    if (claim.id == "tova-eighth-of-memory")
      CHECK(*claim.at_most == Approx((top + 0.4) / top).epsilon(1e-3));
    if (claim.id == "window-breaks")
      CHECK(table.find("window", 512)->value / top > *claim.at_least);
  }
  for (const PolicyName& policy : claims.policies) {
    CHECK(table.find(policy.published, 64) != nullptr);
  }
}

TEST_CASE("damaged claim and published files are refused by place", "[reports][unit]") {
  const test::TempDir dir;
  const auto path = dir / "x.json";
  const auto shipped_text =
      read_file(test::source_dir() / "data/published/claims-tova.json", ErrorKind::kData);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = shipped_text;
    text.replace(text.find(from), from.size(), to);
    write_file_atomically(path, text);
    return path;
  };
  CHECK_THROWS_WITH(read_claims(dir / "none.json"), Contains("none.json"));
  CHECK_THROWS_WITH(read_claims(with("lethe-claims-1", "lethe-claims-9")),
                    Contains("lethe-claims-1"));
  CHECK_THROWS_WITH(read_claims(with("\"kind\": \"order\"", "\"kind\": \"ordre\"")),
                    Contains("did you mean 'order'"));
  CHECK_THROWS_WITH(read_claims(with("\"tolerance_nats\": 0.0007", "\"tolerance_nats\": \"x\"")),
                    Contains("tolerance_nats"));
  CHECK_THROWS_WITH(read_claims(with("\"at_least\"", "\"at_leest\"")),
                    Contains("at_least or at_most"));
  CHECK_THROWS_AS(read_published(with("lethe-claims-1", "lethe-claims-1")), Error);
}
