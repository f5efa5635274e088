// SPDX-License-Identifier: Apache-2.0
// lethe bench generate: how fast lanes of samples decode, by batch, budget and context.
#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/base/error.h"
#include "harness/base/limits.h"
#include "harness/base/text.h"
#include "harness/cli/bench_support.h"
#include "harness/cli/commands/engine_benches.h"
#include "harness/cli/output.h"
#include "models/engine/generate.h"
#include "policies/registry.h"
#include "policies/schedule.h"

namespace lethe::cli {

namespace {

using Budget = std::optional<std::int64_t>;

struct Settings {
  std::string model, policy, schedule, device;
  std::vector<std::int64_t> batches;
  std::vector<Budget> budgets;         // none: policy full
  std::vector<std::int64_t> contexts;  // prompt lengths at one budget; may be empty
  std::vector<std::string> dtypes, kv_dtypes;
  std::int64_t prompt_tokens, max_new, repeats;
};

Settings read_settings(const Options& options) {
  Settings s;
  s.model = options.text("model", "smollm2-135m");
  s.policy = options.text("policy", "tova");
  s.schedule = options.text("schedule", "exact");
  s.device = options.text("device", "cpu");
  s.batches = positive_integers(options.text("batches", "1,8,32"), "batches");
  s.prompt_tokens = options.integer("prompt-tokens", 512, 1, 1 << 20);
  s.max_new = options.integer("max-new", 64, 2, 1 << 20);
  s.repeats = options.integer("repeats", 3, 1, 1000);
  const auto plan = policies::known_policies().resolve(s.policy);
  for (const auto& part : split(options.text("budgets", "128,512,full"), ',')) {
    if (part == "full") {
      s.budgets.push_back(std::nullopt);
      continue;
    }
    s.budgets.push_back(positive_integers(part, "budgets").front());
  }
  const std::string contexts = options.text("contexts", "8192,65536");
  if (contexts != "none") s.contexts = positive_integers(contexts, "contexts");
  for (const auto& budget : s.budgets) {
    if (!budget) continue;
    std::vector<std::int64_t> prompts = s.contexts;
    prompts.push_back(s.prompt_tokens);
    for (const auto prompt : prompts) {
      auto schedule = policies::Schedule::parse(s.schedule);
      schedule.prompt = prompt;
      policies::check_setting(plan, budget, schedule, prompt + s.max_new);
    }
  }
  s.dtypes = bench_dtypes(options.text("dtypes", ""), s.device);
  s.kv_dtypes = split(options.text("kv-dtypes", "same"), ',');
  for (const auto& type : s.kv_dtypes) models::parse_kv_type(type);
  return s;
}

/// Of one setting, a value a round.
struct Rates {
  std::vector<double> prefill, decode, first_token, per_token;  // tok/s, tok/s, s, s
  std::int64_t kv_bytes = 0;                                    // of a sample, at the end

  json::object row(const std::string& dtype, const std::string& kv_dtype, Budget budget,
                   std::int64_t batch) const {
    return {{"dtype", dtype},
            {"kv_dtype", kv_dtype},
            {"budget", budget ? json::value(*budget) : json::value()},
            {"batch", batch},
            {"prefill_tokens_per_s", median(prefill)},
            {"decode_tokens_per_s", median(decode)},
            {"decode_spread", spread(decode)},
            {"time_to_first_token_s", median(first_token)},
            {"time_per_output_token_s", median(per_token)},
            {"kv_bytes_per_sample", kv_bytes}};
  }
};

class GenerateBench {
 public:
  GenerateBench(const Settings& settings, const models::Model& model, const BenchInput& input)
      : settings_(settings),
        model_(model),
        input_(input),
        policy_(policies::known_policies().resolve(settings.policy)),
        full_(policies::known_policies().resolve("full")) {}

  /// Every batch under every budget and KV dtype, in turn within a round.
  json::array by_batch() {
    const auto settings_of = [&](const auto& body) {
      for (const auto& kv : settings_.kv_dtypes) {
        for (const auto& budget : settings_.budgets) {
          for (const auto batch : settings_.batches) body(kv, budget, batch);
        }
      }
    };
    std::map<std::string, Rates> rates;
    const auto key = [](const std::string& kv, Budget budget, std::int64_t batch) {
      return kv + " " + std::to_string(budget.value_or(0)) + " " + std::to_string(batch);
    };
    Rates warm_up;
    measure(warm_up, settings_.kv_dtypes.front(), settings_.budgets.front(), 1,
            settings_.prompt_tokens, false);
    for (std::int64_t round = 0; round < settings_.repeats; ++round) {
      settings_of([&](const std::string& kv, Budget budget, std::int64_t batch) {
        measure(rates[key(kv, budget, batch)], kv, budget, batch, settings_.prompt_tokens, false);
      });
    }
    json::array rows;
    settings_of([&](const std::string& kv, Budget budget, std::int64_t batch) {
      const Rates& found = rates[key(kv, budget, batch)];
      const Rates& first = rates[key(kv, budget, settings_.batches.front())];
      json::object row = found.row(models::to_string(model_.dtype()), kv, budget, batch);
      row["decode_over_first_batch"] = median(found.decode) / median(first.decode);
      rows.push_back(std::move(row));
    });
    return rows;
  }

  /// Prompts of growing lengths under one budget: the rate of decoding should not move.
  json::array by_context() {
    const auto bounded = std::find_if(settings_.budgets.rbegin(), settings_.budgets.rend(),
                                      [](const Budget& budget) { return budget.has_value(); });
    const Budget budget = bounded == settings_.budgets.rend() ? std::nullopt : *bounded;
    std::vector<Rates> rates(settings_.contexts.size());
    for (std::int64_t round = 0; round < settings_.repeats; ++round) {
      for (std::size_t i = 0; i < rates.size(); ++i) {
        measure(rates[i], settings_.kv_dtypes.front(), budget, kContextLanes, settings_.contexts[i],
                true);
      }
    }
    json::array rows;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      json::object row = rates[i].row(models::to_string(model_.dtype()),
                                      settings_.kv_dtypes.front(), budget, kContextLanes);
      row["context"] = settings_.contexts[i];
      row["decode_over_first_context"] = median(rates[i].decode) / median(rates[0].decode);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  static std::int64_t longest_prompt(const Settings& s) {
    std::int64_t longest = s.prompt_tokens;
    for (const auto context : s.contexts) longest = std::max(longest, context);
    return longest;
  }

  /// Most tokens of text that the measurements need.
  static std::int64_t tokens_needed(const Settings& s) {
    return std::max(longest_prompt(s), s.prompt_tokens * std::ranges::max(s.batches));
  }

 private:
  static constexpr std::int64_t kContextLanes = 8;

  // `one_prompt`: all samples go on from one prefill.
  void measure(Rates& rates, const std::string& kv, Budget budget, std::int64_t batch,
               std::int64_t prompt, bool one_prompt) const {
    std::vector<models::GenerateRequest> requests(static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto length = static_cast<std::size_t>(prompt);
      const auto text = std::span(input_.tokens).subspan(one_prompt ? 0 : i * length, length);
      requests[i].prompt.assign(text.begin(), text.end());
      requests[i].policy = budget ? &policy_ : &full_;
      requests[i].budget = budget;
      if (budget) requests[i].schedule = policies::Schedule::parse(settings_.schedule);
      requests[i].max_new = settings_.max_new;
    }
    models::GenerateOptions options;
    options.lanes = batch;
    options.drawable_ids = input_.ids;
    options.kv_type = models::parse_kv_type(kv);
    if (!float32_angles_hold(prompt + settings_.max_new)) {
      options.rope_angles = models::RopeAngles::kF64;
    }
    std::vector<double> first_tokens;
    const auto totals =
        model_.generate(requests, options, [&](std::size_t, models::GenerateResult result) {
          rates.kv_bytes = result.kv_bytes;
          // What goes on from another's prefill waits for no prompt of its own.
          if (result.shared_tokens == 0) first_tokens.push_back(result.prefill_seconds);
        });
    // The first token of a sample belongs to its prompt.
    const auto decoded = static_cast<double>(totals.new_tokens - batch);
    rates.prefill.push_back(static_cast<double>(totals.prompt_tokens) / totals.prefill_seconds);
    rates.decode.push_back(decoded / totals.decode_seconds);
    rates.first_token.push_back(median(first_tokens));
    rates.per_token.push_back(totals.decode_seconds / static_cast<double>(totals.steps));
  }

  const Settings& settings_;
  const models::Model& model_;
  const BenchInput& input_;
  policies::PolicyPlan policy_, full_;
};

void print_rows(const json::array& rows, const char* column, const char* ratio) {
  if (rows.empty()) return;
  std::printf("%-9s %-9s %6s %8s | %9s %9s %7s | %9s %9s | %9s %8s\n", "dtype", "KV", "budget",
              column, "prefill", "decode", "spread", "first tok", "per tok", "KV/sample",
              "of first");
  for (const auto& row : rows) {
    const auto number = [&](const char* name) { return row.at(name).to_number<double>(); };
    const auto& budget = row.at("budget");
    std::printf("%-9s %-9s %6s %8lld | %9.1f %9.1f %6.1f%% | %7.0fms %7.1fms | %9s %7.2fx\n",
                row.at("dtype").as_string().c_str(), row.at("kv_dtype").as_string().c_str(),
                budget.is_null() ? "full" : std::to_string(budget.as_int64()).c_str(),
                static_cast<long long>(row.at(column).as_int64()), number("prefill_tokens_per_s"),
                number("decode_tokens_per_s"), 100 * number("decode_spread"),
                1e3 * number("time_to_first_token_s"), 1e3 * number("time_per_output_token_s"),
                human_bytes(number("kv_bytes_per_sample")).c_str(), number(ratio));
  }
  std::printf("\n");
}

}  // namespace

int bench_generate(const Options& options) {
  const Settings settings = read_settings(options);
  const std::int64_t longest = GenerateBench::longest_prompt(settings);
  const BenchInput input =
      open_bench(options, settings.model, GenerateBench::tokens_needed(settings));
  models::check_learned_positions(input.checkpoint->config(), longest + settings.max_new,
                                  models::prompt_and_new(longest, settings.max_new));

  json::array batches, contexts;
  for (const auto& dtype : settings.dtypes) {
    const auto model = models::load_model(*input.checkpoint, models::parse_dtype(dtype), {},
                                          {.device = settings.device});
    GenerateBench bench(settings, *model, input);
    for (auto& row : bench.by_batch()) batches.push_back(std::move(row));
    if (settings.contexts.empty()) continue;
    for (auto& row : bench.by_context()) contexts.push_back(std::move(row));
  }
  json::object report = bench_machine(input.model, settings.device);
  report["benchmark"] = "generate";
  report["policy"] = settings.policy;
  report["schedule"] = settings.schedule;
  report["prompt_tokens"] = settings.prompt_tokens;
  report["max_new"] = settings.max_new;
  report["repeats"] = settings.repeats;
  report["batches"] = batches;
  report["contexts"] = contexts;
  if (options.has("json")) {
    print_json(report);
    return kExitOk;
  }
  std::printf("%s\npolicy %s, schedule %s, prompts of %lld tokens, %lld new ones; tok/s\n\n",
              bench_machine_line(settings.device).c_str(), settings.policy.c_str(),
              settings.schedule.c_str(), static_cast<long long>(settings.prompt_tokens),
              static_cast<long long>(settings.max_new));
  print_rows(batches, "batch", "decode_over_first_batch");
  print_rows(contexts, "context", "decode_over_first_context");
  return kExitOk;
}

}  // namespace lethe::cli
