// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <numeric>

#include "harness/base/error.h"
#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "harness/cli/bench_support.h"
#include "harness/cli/commands/engine_benches.h"
#include "harness/base/machine.h"
#include "harness/cli/output.h"
#include "models/engine/evaluate.h"
#include "policies/registry.h"
#include "policies/schedule.h"

namespace lethe::cli {

namespace {

struct Settings {
  std::string model;
  std::string policy;
  std::int64_t tokens;
  std::int64_t step_tokens;
  std::int64_t repeats;
  std::int64_t block_rows;
  std::int64_t chunk_tokens;
  std::vector<std::int64_t> budgets;
  std::vector<std::int64_t> lengths;  // of the flatness run; may be empty
  std::vector<std::string> policies;  // compared with the first; may be empty
  std::string device;
  std::vector<std::string> dtypes;
};

Settings read_settings(const Options& options) {
  Settings s;
  s.model = options.text("model", "smollm2-135m");
  s.policy = options.text("policy", "tova");
  s.tokens = options.integer("tokens", 4096, 64);
  s.step_tokens = std::min(s.tokens, options.integer("step-tokens", 192, 8));
  s.repeats = options.integer("repeats", 3, 1, 1000);
  s.block_rows = options.integer("block-rows", models::EvaluateOptions().block_rows, 1, 4096);
  s.chunk_tokens = options.integer("chunk", models::EvaluateOptions().chunk_tokens, 1, 1 << 20);
  s.budgets = positive_integers(options.text("budgets", "64,256,1024"), "budgets");
  const std::string lengths = options.text("lengths", "4096,16384,65536");
  if (lengths != "none") s.lengths = positive_integers(lengths, "lengths");
  const std::string compared = options.text("policies", "window,tova,h2o,l2");
  // Policies hold commas, so a list of them is written with blanks where one has options.
  if (compared != "none")
    s.policies = split(compared, compared.find(' ') == std::string::npos ? ',' : ' ');
  std::vector<std::string> policies_run = s.policies;
  policies_run.push_back(s.policy);
  for (const auto& policy : policies_run) {
    const auto plan = policies::known_policies().resolve(policy);
    for (const auto budget : s.budgets) policies::check_setting(plan, budget, {}, s.tokens);
  }
  s.device = options.text("device", "cpu");
  s.dtypes = bench_dtypes(options.text("dtypes", ""), s.device);
  return s;
}

class ExactBench {
 public:
  ExactBench(const Settings& settings, const models::Model& model, std::vector<std::int64_t> tokens)
      : settings_(settings),
        model_(model),
        tokens_(std::move(tokens)),
        policy_(policies::known_policies().resolve(settings.policy)) {}

  /// Scan, step and dense in turn, so that a machine that slows down slows all of them; ratios are
  /// medians of the ratios of one round.
  json::array side_by_side() {
    const auto full = policies::known_policies().resolve("full");
    const std::size_t n = settings_.budgets.size();
    std::vector<std::vector<double>> scan(n), step(n), over_dense(n), over_step(n);
    std::vector<double> dense;
    for (std::int64_t round = 0; round <= settings_.repeats; ++round) {
      const double dense_rate = rate(full, {}, settings_.tokens, models::Path::kDense);
      if (round > 0) dense.push_back(dense_rate);  // the first round warms up
      for (std::size_t i = 0; i < n; ++i) {
        const double scan_rate =
            rate(policy_, settings_.budgets[i], settings_.tokens, models::Path::kScan);
        if (round == 0) continue;
        const double step_rate =
            rate(policy_, step_budget(i), settings_.step_tokens, models::Path::kStep);
        scan[i].push_back(scan_rate);
        step[i].push_back(step_rate);
        over_dense[i].push_back(scan_rate / dense_rate);
        over_step[i].push_back(scan_rate / step_rate);
      }
    }
    json::array rows;
    for (std::size_t i = 0; i < n; ++i) {
      // Measured beside the runs it is compared with, and once more for each budget.
      models::EvaluateOptions shape;
      shape.block_rows = settings_.block_rows;
      shape.chunk_tokens = settings_.chunk_tokens;
      const auto limit = model_.time_products(shape, settings_.budgets[i]);
      rows.push_back({{"dtype", models::to_string(model_.dtype())},
                      {"policy", policy_.text},
                      {"budget", settings_.budgets[i]},
                      {"tokens", settings_.tokens},
                      {"scan_tokens_per_s", median(scan[i])},
                      {"dense_tokens_per_s", median(dense)},
                      {"step_tokens_per_s", median(step[i])},
                      {"step_tokens", settings_.step_tokens},
                      {"step_budget", step_budget(i)},
                      {"gemm_gflops", limit.gflops},
                      {"gemm_limit_tokens_per_s", limit.tokens_per_s},
                      {"scan_over_dense", median(over_dense[i])},
                      {"scan_over_step", median(over_step[i])},
                      {"share_of_gemm_limit", median(scan[i]) / limit.tokens_per_s}});
    }
    return rows;
  }

  /// The same budget at growing lengths: the rate and the resident memory should not move.
  json::array lengths() {
    json::array rows;
    std::vector<std::vector<double>> rates(settings_.lengths.size());
    std::vector<std::int64_t> resident(settings_.lengths.size());
    const std::int64_t budget = settings_.budgets[settings_.budgets.size() / 2];
    for (std::size_t i = 0; i < settings_.lengths.size(); ++i) {
      // Short texts are repeated until they are as long a measurement as the longest.
      const std::int64_t longest =
          *std::max_element(settings_.lengths.begin(), settings_.lengths.end());
      const std::int64_t times = std::min<std::int64_t>(4, longest / settings_.lengths[i]);
      for (std::int64_t t = 0; t < std::max<std::int64_t>(1, times); ++t) {
        rates[i].push_back(rate(policy_, budget, settings_.lengths[i], models::Path::kScan));
      }
      resident[i] = resident_bytes();
    }
    for (std::size_t i = 0; i < settings_.lengths.size(); ++i) {
      rows.push_back({{"dtype", models::to_string(model_.dtype())},
                      {"policy", policy_.text},
                      {"budget", budget},
                      {"tokens", settings_.lengths[i]},
                      {"scan_tokens_per_s", median(rates[i])},
                      {"rate_over_first", median(rates[i]) / median(rates[0])},
                      {"resident_bytes", resident[i]},
                      {"resident_growth_bytes", resident[i] - resident[0]}});
    }
    return rows;
  }

  /// What a policy's decisions cost: rates in turn, as shares of the first policy's.
  json::array policies() {
    json::array rows;
    const std::int64_t budget = settings_.budgets[settings_.budgets.size() / 2];
    std::vector<policies::PolicyPlan> plans;
    for (const auto& text : settings_.policies) {
      plans.push_back(policies::known_policies().resolve(text));
    }
    std::vector<std::vector<double>> rates(plans.size()), shares(plans.size());
    for (std::int64_t round = 0; round <= settings_.repeats; ++round) {
      std::vector<double> now;
      for (const auto& plan : plans) {
        now.push_back(rate(plan, budget, settings_.tokens, models::Path::kScan));
      }
      for (std::size_t i = 0; round > 0 && i < plans.size(); ++i) {
        rates[i].push_back(now[i]);
        shares[i].push_back(now[i] / now[0]);
      }
    }
    for (std::size_t i = 0; i < plans.size(); ++i) {
      rows.push_back({{"dtype", models::to_string(model_.dtype())},
                      {"policy", plans[i].text},
                      {"budget", budget},
                      {"tokens", settings_.tokens},
                      {"scan_tokens_per_s", median(rates[i])},
                      {"over_first", median(shares[i])}});
    }
    return rows;
  }

 private:
  std::int64_t step_budget(std::size_t i) const {
    return std::min(settings_.budgets[i], settings_.step_tokens / 2);
  }

  double rate(const policies::PolicyPlan& policy, std::optional<std::int64_t> budget,
              std::int64_t count, models::Path path) const {
    models::EvaluateOptions options;
    options.budget = budget;
    options.path = path;
    options.block_rows = settings_.block_rows;
    options.chunk_tokens = settings_.chunk_tokens;
    if (!float32_angles_hold(count)) options.rope_angles = models::RopeAngles::kF64;
    const auto result =
        model_.evaluate(std::span(tokens_).first(static_cast<std::size_t>(count)), policy, options);
    return static_cast<double>(count) / result.seconds;
  }

  const Settings& settings_;
  const models::Model& model_;
  std::vector<std::int64_t> tokens_;
  policies::PolicyPlan policy_;
};

void print_tables(const json::object& report) {
  const auto number = [](const json::value& row, const char* name) {
    return row.at(name).to_number<double>();
  };
  std::printf("%-9s %-6s %6s | %9s %9s %9s %9s | %7s %7s %7s\n", "dtype", "policy", "budget",
              "scan t/s", "dense t/s", "step t/s", "GEMM lim.", "/dense", "/step", "/GEMM");
  for (const auto& row : report.at("side_by_side").as_array()) {
    std::printf("%-9s %-6s %6lld | %9.1f %9.1f %9.1f %9.1f | %6.2fx %6.1fx %6.0f%%\n",
                row.at("dtype").as_string().c_str(), row.at("policy").as_string().c_str(),
                static_cast<long long>(row.at("budget").as_int64()),
                number(row, "scan_tokens_per_s"), number(row, "dense_tokens_per_s"),
                number(row, "step_tokens_per_s"), number(row, "gemm_limit_tokens_per_s"),
                number(row, "scan_over_dense"), number(row, "scan_over_step"),
                100 * number(row, "share_of_gemm_limit"));
  }
  if (!report.at("policies").as_array().empty()) {
    std::printf("\n%-9s %-16s %6s | %9s %10s\n", "dtype", "policy", "budget", "scan t/s",
                "of first");
  }
  for (const auto& row : report.at("policies").as_array()) {
    std::printf("%-9s %-16s %6lld | %9.1f %9.1f%%\n", row.at("dtype").as_string().c_str(),
                row.at("policy").as_string().c_str(),
                static_cast<long long>(row.at("budget").as_int64()),
                number(row, "scan_tokens_per_s"), 100 * number(row, "over_first"));
  }
  if (report.at("lengths").as_array().empty()) return;
  std::printf("\n%-9s %-6s %6s %8s | %9s %10s %12s\n", "dtype", "policy", "budget", "tokens",
              "scan t/s", "of first", "resident");
  for (const auto& row : report.at("lengths").as_array()) {
    std::printf(
        "%-9s %-6s %6lld %8lld | %9.1f %9.1f%% %12s\n", row.at("dtype").as_string().c_str(),
        row.at("policy").as_string().c_str(), static_cast<long long>(row.at("budget").as_int64()),
        static_cast<long long>(row.at("tokens").as_int64()), number(row, "scan_tokens_per_s"),
        100 * number(row, "rate_over_first"), human_bytes(number(row, "resident_bytes")).c_str());
  }
}

}  // namespace

int bench_exact(const Options& options) {
  const Settings settings = read_settings(options);
  std::int64_t most = settings.tokens;
  for (const auto length : settings.lengths) most = std::max(most, length);
  const BenchInput input = open_bench(options, settings.model, most);

  json::array side_by_side, policies, lengths;
  for (const auto& dtype : settings.dtypes) {
    const auto model = models::load_model(*input.checkpoint, models::parse_dtype(dtype), {},
                                          {.device = settings.device});
    ExactBench bench(settings, *model, input.tokens);
    for (auto& row : bench.side_by_side()) side_by_side.push_back(std::move(row));
    for (auto& row : bench.policies()) policies.push_back(std::move(row));
    if (settings.lengths.empty()) continue;
    for (auto& row : bench.lengths()) lengths.push_back(std::move(row));
  }
  json::object report = bench_machine(input.model, settings.device);
  report["benchmark"] = "exact";
  report["repeats"] = settings.repeats;
  report["block_rows"] = settings.block_rows;
  report["chunk_tokens"] = settings.chunk_tokens;
  report["side_by_side"] = side_by_side;
  report["policies"] = policies;
  report["lengths"] = lengths;
  if (options.has("json")) {
    print_json(report);
    return kExitOk;
  }
  std::printf("%s\n\n", bench_machine_line(settings.device).c_str());
  print_tables(report);
  return kExitOk;
}

}  // namespace lethe::cli
