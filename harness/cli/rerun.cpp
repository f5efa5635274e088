// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/rerun.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "harness/base/error.h"
#include "harness/base/seed.h"
#include "harness/cli/scratch_folder.h"
#include "harness/cli/suites.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;
using Verdict = RerunSample::Verdict;

/// Sample keys to run again, by cell key.
using Choice = std::map<std::string, std::set<std::string>>;

Choice choose(const store::RunStore& store, std::int64_t percent, std::int64_t seed,
              std::int64_t& stored) {
  auto rows = store
                  .query(
                      "SELECT s.sample_key, c.key FROM sample s JOIN cell c ON c.id = s.cell_id "
                      "ORDER BY s.sample_key")
                  .rows;
  stored = static_cast<std::int64_t>(rows.size());
  const auto wanted =
      std::min(rows.size(), (rows.size() * static_cast<std::size_t>(percent) + 99) / 100);
  RandomStream random(derive_seed(static_cast<std::uint64_t>(seed), "verify"));
  Choice choice;
  for (std::size_t i = 0; i < wanted; ++i) {
    std::swap(rows[i], rows[i + random.below(rows.size() - i)]);
    choice[std::string(rows[i][1].as_string())].emplace(rows[i][0].as_string());
  }
  return choice;
}

/// What was measured of one sample.
struct Measured {
  std::string id;
  json::value nll_sum, score;
  std::string output;
  std::int64_t tokens_scored = 0;
  std::vector<float> trace;
};

std::optional<Measured> read(const store::RunStore& store, const std::string& key) {
  const auto found = store.query(
      "SELECT sample_id, nll_sum, score, output, tokens_scored FROM sample WHERE sample_key = ?1",
      std::array{json::value(key)});
  if (found.rows.empty()) return std::nullopt;
  const auto& row = found.rows.front();
  return Measured{std::string(row[0].as_string()),
                  row[1],
                  row[2],
                  std::string(row[3].as_string()),
                  row[4].as_int64(),
                  store.read_nll_trace(key)};
}

/// Again minus stored; 0 where neither has a value, infinite where one has.
double difference(const json::value& stored, const json::value& again) {
  if (stored.is_double() && again.is_double()) return again.get_double() - stored.get_double();
  return stored == again ? 0 : std::numeric_limits<double>::infinity();
}

bool same_bits(const json::value& a, const json::value& b) {
  if (!a.is_double() || !b.is_double()) return a == b;
  return std::bit_cast<std::uint64_t>(a.get_double()) ==
         std::bit_cast<std::uint64_t>(b.get_double());
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
         });
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  }
  return largest;
}

RerunSample compare(const store::CellRecord& cell, const Measured& stored, const Measured& again) {
  RerunSample out;
  out.label = cell_label(cell) + ", sample " + stored.id;
  out.mean_nll_difference = difference(stored.nll_sum, again.nll_sum) /
                            static_cast<double>(std::max<std::int64_t>(1, stored.tokens_scored));
  out.largest_trace_difference = largest_difference(stored.trace, again.trace);
  const bool same_output = stored.output == again.output;
  const double floor = noise_floor(cell.dtype);
  if (same_output && same_bits(stored.nll_sum, again.nll_sum) &&
      same_bits(stored.score, again.score) && same_bits(stored.trace, again.trace)) {
    out.verdict = Verdict::kIdentical;
  } else if (same_output && stored.trace.size() == again.trace.size() &&
             std::abs(out.mean_nll_difference) <= floor &&
             std::abs(difference(stored.score, again.score)) <= floor) {
    out.verdict = Verdict::kWithinNoise;
  } else {
    out.verdict = Verdict::kDifferent;
  }
  return out;
}

/// The chosen samples of a cell as a cell of their own.
bool restrict_to(grid::Cell& cell, const std::set<std::string>& keys) {
  std::vector<grid::SampleEntry> kept;
  for (const auto& sample : cell.samples) {
    if (keys.contains(grid::sample_key(cell.key, sample.hash))) kept.push_back(sample);
  }
  cell.samples = grid::Shared(std::move(kept));
  return cell.samples.size() == keys.size();
}

}  // namespace

std::int64_t Rerun::count(Verdict verdict) const {
  return std::count_if(samples.begin(), samples.end(),
                       [&](const auto& sample) { return sample.verdict == verdict; });
}

double noise_floor(const std::string& dtype) {
  if (dtype == "bfloat16") return 1e-2;
  return dtype == "float64" ? 1e-9 : 1e-5;
}

Rerun rerun_share(const store::RunStore& store, std::int64_t percent, std::int64_t seed,
                  const AtHand& at_hand, const Options& options) {
  Rerun out;
  const Choice choice = choose(store, percent, seed, out.samples_stored);
  LoadedSuite loaded;
  loaded.suite.name = "verify";
  Catalogue catalogue;
  std::map<std::string, store::CellRecord> records;
  for (const auto& [key, samples] : choice) {
    const auto record = store.cell(key).value().record;
    auto rebuilt = rebuild(record, at_hand, catalogue);
    if (rebuilt.cell && !restrict_to(*rebuilt.cell, samples)) {
      rebuilt = {std::nullopt, "stored samples are not among those of its task"};
    }
    if (rebuilt.cell &&
        rebuilt.cell->inputs.object().at("device_kind") != json::value(device_kind(options))) {
      rebuilt = {std::nullopt,
                 "it was computed on another kind of device; choose it with --device"};
    }
    if (!rebuilt.cell) {
      out.not_run.push_back(cell_label(record) + ", " + std::to_string(samples.size()) +
                            " samples: " + rebuilt.why_not);
      continue;
    }
    records[key] = record;
    loaded.cells.push_back(std::move(*rebuilt.cell));
  }
  if (loaded.cells.empty()) return out;

  const ScratchFolder scratch;
  const fs::path database = scratch.path() / "again.db";
  const auto report = execute(loaded, database, options, "lethe verify --rerun");
  out.interrupted = report.interrupted;
  for (const auto& failure : report.failures) {
    out.failed.push_back(failure.label + ": " + failure.reason);
  }
  const auto again_store = store::RunStore::open(database, store::OpenMode::kReadOnly);
  for (const auto& cell : loaded.cells) {
    for (const auto& sample : cell.samples) {
      const std::string key = grid::sample_key(cell.key, sample.hash);
      const auto stored = read(store, key), again = read(again_store, key);
      if (stored && again) out.samples.push_back(compare(records.at(cell.key), *stored, *again));
    }
  }
  return out;
}

std::string to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kIdentical:
      return "identical";
    case Verdict::kWithinNoise:
      return "within noise";
    case Verdict::kDifferent:
      break;
  }
  return "different";
}

}  // namespace lethe::cli
