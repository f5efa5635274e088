// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/report_fixture.h"

#include <cmath>

#include <boost/regex.hpp>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

/// Loss of a policy over the full cache, nats: falls with the budget, as the policies' does.
double typical_loss(const std::string& policy, double share) {
  if (share >= 1) return 0;
  const double scarcity = std::log2(1 / share);
  if (policy == "window") return 0.16 + 0.21 * scarcity;
  if (policy == "window:sinks=4") return 0.012 + 0.036 * scarcity;
  if (policy == "h2o") return 0.004 + 0.031 * scarcity;
  if (policy == "tova") return 0.034 * scarcity - 0.001;
  return 0.05 * scarcity;
}

double typical_nll(const std::string& policy, std::optional<std::int64_t> budget, std::size_t book,
                   std::int64_t length) {
  const double base = 3.332 + 0.21 * std::sin(2.0 * static_cast<double>(book) + 0.7);
  if (!budget) return base;
  const double share = static_cast<double>(*budget) / static_cast<double>(length);
  const double wobble =
      1 + 0.14 * std::cos(1.7 * static_cast<double>(book) + static_cast<double>(policy.size()));
  return base + typical_loss(policy, share) * wobble;
}

std::string inputs_of(const Grid& grid, const std::string& policy,
                      std::optional<std::int64_t> budget) {
  return canonical_json(
      json::object{{"model", "smollm2-135m"},
                   {"policy", policy},
                   {"budget", budget ? json::value(*budget) : json::value(nullptr)},
                   {"schedule", grid.schedule},
                   {"positions", "original"},
                   {"length", grid.length},
                   {"dtype", grid.dtype},
                   {"task", "pg19"},
                   {"engine_version", 1}});
}

}  // namespace

std::int64_t begin_run(store::RunStore& store) {
  store::ProvenanceRecord provenance{.created_at = "2026-11-25T17:00:00Z",
                                     .version = "0.1.0",
                                     .git_commit = std::string(40, 'a'),
                                     .git_dirty = false,
                                     .compiler = "GNU 12.2.0",
                                     .flags = "",
                                     .build_type = "Release",
                                     .torch_version = "2.15.0",
                                     .cpu = "Test CPU",
                                     .device = "cpu",
                                     .threads = 2,
                                     .host = "host",
                                     .kernel = "Linux",
                                     .command = "lethe reproduce quick",
                                     .suite_sha256 = std::string(64, 'b')};
  return store.begin_run(provenance);
}

std::string cell_key(const Grid& grid, const std::string& policy,
                     std::optional<std::int64_t> budget) {
  return sha256_hex(inputs_of(grid, policy, budget));
}

void add_grid(store::RunStore& store, const Grid& grid) {
  const auto run = begin_run(store);
  std::vector<store::CellRecord> cells;
  std::vector<store::SampleRow> rows;
  const auto add = [&](const std::string& policy, std::optional<std::int64_t> budget) {
    const std::string key = cell_key(grid, policy, budget);
    cells.push_back({.key = key,
                     .suite = grid.suite,
                     .task = "pg19",
                     .model = "smollm2-135m",
                     .policy = policy,
                     .budget = budget,
                     .schedule = grid.schedule,
                     .positions = "original",
                     .length = grid.length,
                     .dtype = grid.dtype,
                     .kv_dtype = "same",
                     .seed = 0,
                     .inputs = inputs_of(grid, policy, budget),
                     .n_samples = static_cast<std::int64_t>(grid.books.size())});
    for (std::size_t book = 0; book < grid.books.size(); ++book) {
      const double mean = grid.mean_nll ? grid.mean_nll(policy, budget, book)
                                        : typical_nll(policy, budget, book, grid.length);
      store::SampleRow row{.cell_key = key, .provenance_id = run, .record = {}};
      row.record.sample_id = grid.books[book] + "/0";
      row.record.sample_hash = sha256_hex(row.record.sample_id);
      row.record.sample_key = sha256_hex(key + row.record.sample_hash);
      row.record.cluster = grid.books[book];
      row.record.tokens_in = grid.length;
      row.record.tokens_scored = grid.length - 1;
      row.record.nll_sum = mean * static_cast<double>(grid.length - 1);
      row.record.layers = "[]";
      row.record.seconds = 1;
      rows.push_back(std::move(row));
    }
  };
  if (grid.with_full) add("full", std::nullopt);
  for (const std::string& policy : grid.policies) {
    for (const std::int64_t budget : grid.budgets) add(policy, budget);
  }
  store.add_cells(cells);
  store.add_samples(rows);
  for (const store::CellRecord& cell : cells) {
    store.set_cell_status(cell.key, store::CellStatus::kDone);
  }
}

void add_cell(store::RunStore& store, const CellSpec& spec) {
  const std::string inputs = canonical_json(
      json::object{{"model", "smollm2-135m"},
                   {"policy", spec.policy},
                   {"budget", spec.budget ? json::value(*spec.budget) : json::value(nullptr)},
                   {"positions", spec.positions},
                   {"length", spec.length},
                   {"task", json::object{{"name", spec.task}, {"identity", spec.identity}}}});
  const std::string key = sha256_hex(inputs);
  const auto found = static_cast<std::int64_t>(spec.samples.size());
  const store::CellRecord cell{.key = key,
                               .suite = "quick",
                               .task = spec.task,
                               .model = "smollm2-135m",
                               .policy = spec.policy,
                               .budget = spec.budget,
                               .schedule = "exact",
                               .positions = spec.positions,
                               .length = spec.length,
                               .dtype = "float32",
                               .kv_dtype = "same",
                               .seed = 0,
                               .inputs = inputs,
                               .n_samples = spec.wanted == 0 ? found : spec.wanted};
  const auto run = begin_run(store);
  std::vector<store::SampleRow> rows;
  for (const store::SampleRecord& sample : spec.samples) {
    rows.push_back({.cell_key = key, .provenance_id = run, .record = sample});
    auto& record = rows.back().record;
    record.sample_hash = sha256_hex(record.sample_id);
    record.sample_key = sha256_hex(key + record.sample_hash);
    record.cluster = record.sample_id.substr(0, record.sample_id.find('/'));
    record.layers = "[]";
    record.seconds = 1;
  }
  store.add_cells({&cell, 1});
  store.add_samples(rows);
  store.set_cell_status(key, spec.status, spec.reason);
}

std::string normalised(std::string text) {
  text = boost::regex_replace(
      text, boost::regex("lethe [0-9.]+, commit [0-9a-z]+( \\(with local changes\\))?"),
      "lethe VERSION");
  for (auto at = text.find("<svg"); at != std::string::npos; at = text.find("<svg", at + 1)) {
    const auto end = text.find("</svg>", at);
    text.replace(at, end - at, "<svg>…");
  }
  return text;
}

void check_approved(const std::string& name, const std::string& text) {
  const auto path = source_dir() / "tests/golden/reports" / name;
  std::error_code ec;
  const std::string approved =
      std::filesystem::exists(path, ec) ? read_file(path, ErrorKind::kData) : "";
  const auto unapproved = path.string() + ".unapproved";
  if (text == approved) {
    std::filesystem::remove(unapproved, ec);
  } else {
    write_file_atomically(unapproved, text);
  }
  INFO("see " << name << ".unapproved; when it is right, move it over " << name);
  CHECK((text == approved));
}

store::RunStore make_store(const std::filesystem::path& path) {
  return store::RunStore::open(path, store::OpenMode::kReadWriteCreate);
}

reports::ReportRequest request_for(const std::filesystem::path& out) {
  reports::ReportRequest request;
  request.suite = "quick";
  request.data_dir = source_dir() / "data";
  request.out_dir = out;
  return request;
}

}  // namespace lethe::test
