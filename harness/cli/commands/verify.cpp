// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/rerun.h"
#include "harness/cli/suites.h"
#include "harness/cli/verification.h"

namespace lethe::cli {

namespace {

using Verdict = RerunSample::Verdict;

std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

void print_rows_check(const RowCheck& rows) {
  for (const auto& finding : rows.findings) std::cout << "wrong: " << finding << '\n';
  std::cout << "rows: " << with_thousands(rows.cells) << " cells, " << with_thousands(rows.samples)
            << " samples, " << with_thousands(rows.traces) << " traces, "
            << with_thousands(rows.scores) << " scores"
            << (rows.trainings > 0 ? ", " + with_thousands(rows.trainings) + " training runs" : "")
            << "; "
            << (rows.findings.empty()
                    ? "all sound"
                    : with_thousands(static_cast<std::int64_t>(rows.findings.size())) + " wrong")
            << '\n';
}

void print_files(const std::vector<FileCheck>& files) {
  for (const auto& file : files) {
    std::cout << "files: " << file.name << ": " << to_string(file.state)
              << (file.detail.empty() ? "" : " (" + file.detail + ")") << '\n';
  }
}

void print_rerun(const Rerun& rerun) {
  for (const auto& why : rerun.not_run) std::cout << "not run: " << why << '\n';
  for (const auto& why : rerun.failed) std::cout << "failed: " << why << '\n';
  for (const auto& sample : rerun.samples) {
    if (sample.verdict == Verdict::kIdentical) continue;
    std::cout << to_string(sample.verdict) << ": " << sample.label << ": mean NLL "
              << scientific(sample.mean_nll_difference) << " nats, one token at most "
              << scientific(sample.largest_trace_difference) << '\n';
  }
  std::cout << "run again: " << with_thousands(static_cast<std::int64_t>(rerun.samples.size()))
            << " of " << with_thousands(rerun.samples_stored)
            << " samples: " << with_thousands(rerun.count(Verdict::kIdentical))
            << " identical in every bit, " << with_thousands(rerun.count(Verdict::kWithinNoise))
            << " within the noise floor of mean NLL (float32 1e-5, bfloat16 1e-2, float64 1e-9), "
            << with_thousands(rerun.count(Verdict::kDifferent)) << " different\n";
}

json::array texts(const std::vector<std::string>& lines) {
  return json::array(lines.begin(), lines.end());
}

/// JSON has no infinity.
json::value finite(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value rerun_json(const Rerun& rerun) {
  json::array samples;
  for (const auto& sample : rerun.samples) {
    samples.push_back({{"sample", sample.label},
                       {"verdict", to_string(sample.verdict)},
                       {"mean_nll_difference", finite(sample.mean_nll_difference)},
                       {"largest_trace_difference", finite(sample.largest_trace_difference)}});
  }
  return {{"samples_stored", rerun.samples_stored},
          {"identical", rerun.count(Verdict::kIdentical)},
          {"within_noise", rerun.count(Verdict::kWithinNoise)},
          {"different", rerun.count(Verdict::kDifferent)},
          {"not_run", texts(rerun.not_run)},
          {"failed", texts(rerun.failed)},
          {"interrupted", rerun.interrupted},
          {"samples", std::move(samples)}};
}

json::object as_json(bool good, const RowCheck& rows, const std::vector<FileCheck>& files,
                     const std::optional<Rerun>& rerun) {
  json::array file_list;
  for (const auto& file : files) {
    file_list.push_back(
        {{"name", file.name}, {"state", to_string(file.state)}, {"detail", file.detail}});
  }
  return {{"good", good},
          {"cells", rows.cells},
          {"samples", rows.samples},
          {"traces", rows.traces},
          {"scores", rows.scores},
          {"trainings", rows.trainings},
          {"findings", texts(rows.findings)},
          {"files", std::move(file_list)},
          {"rerun", rerun ? rerun_json(*rerun) : json::value(nullptr)}};
}

bool all_well(const RowCheck& rows, const std::vector<FileCheck>& files,
              const std::optional<Rerun>& rerun) {
  const bool same_files = std::none_of(files.begin(), files.end(), [](const auto& file) {
    return file.state == FileCheck::State::kDiffers;
  });
  // What could not be run says nothing of the rows, but asked for a run and got none is not well.
  const bool same_numbers =
      !rerun || (rerun->count(Verdict::kDifferent) == 0 && rerun->failed.empty() &&
                 (rerun->not_run.empty() || !rerun->samples.empty()));
  return rows.findings.empty() && same_files && same_numbers;
}

int run(const Options& options) {
  if (!options.has("rerun") && (options.has("share") || options.has("seed"))) {
    throw Error(ErrorKind::kUsage,
                "--share and --seed choose samples for --rerun, which is missing");
  }
  const auto percent = options.integer("share", 5, 1, 100);
  const auto seed = options.integer("seed", 0, 0);
  AtHand at_hand{options.all("model"), std::nullopt};
  if (const auto suite = options.find("suite")) at_hand.suite = suite_path(*suite);
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  const bool as_text = !options.has("json");
  const auto rows = check_rows(store);
  if (as_text) print_rows_check(rows);
  const auto files = check_files(store, at_hand);
  if (as_text) print_files(files);
  std::optional<Rerun> rerun;
  if (options.has("rerun")) {
    std::cout.flush();
    rerun = rerun_share(store, percent, seed, at_hand, options);
    if (as_text) print_rerun(*rerun);
  }
  const bool good = all_well(rows, files, rerun);
  if (!as_text) print_json(as_json(good, rows, files, rerun));
  if (rerun && rerun->interrupted) return kExitInterrupted;
  return good ? kExitOk : kExitSomeCellsFailed;
}

}  // namespace

Command verify_command() {
  CommandSpec spec;
  spec.name = "verify";
  spec.summary = "check rows, files and numbers of a database";
  spec.description =
      "Checks the file, every key, every trace against its sum, every score against its stored\n"
      "output, and the weights and data at hand against the hashes stored. With --rerun a random\n"
      "share of the samples is measured again and compared bit by bit. Exit code 1: something is\n"
      "wrong or came out different.";
  spec.options = {
      {"db", "FILE", "result database (default lethe.db)"},
      {"rerun", "", "run a share of the samples again"},
      {"share", "PERCENT", "how much of them (default 5, at least one sample)"},
      {"seed", "N", "which of them (default 0)"},
      {"model", "PATH", "where a model stored as custom:FILE is; may be repeated", true},
      {"suite", "SUITE", "a suite that says where the tasks' data lie, if elsewhere"},
      {"json", "", "print findings and verdicts as JSON"}};
  const auto execution = execution_options();
  spec.options.insert(spec.options.end(), execution.begin(), execution.end());
  spec.examples = {{"rows and files", "lethe verify --db lethe.db"},
                   {"one sample in ten again", "lethe verify --db lethe.db --rerun --share 10"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
