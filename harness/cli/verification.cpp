// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/verification.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/cli/models.h"
#include "harness/cli/root.h"
#include "tasks/registry.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

void check_database(const store::RunStore& store, RowCheck& check) {
  const auto sound = store.query("PRAGMA integrity_check");
  for (const auto& row : sound.rows) {
    if (row[0] != "ok") {
      check.findings.push_back("the file is damaged: " + std::string(row[0].as_string()));
    }
  }
  for (const auto& row : store.query("PRAGMA foreign_key_check").rows) {
    check.findings.push_back("a row of " + std::string(row[0].as_string()) + " (" +
                             json::serialize(row[1]) + ") names a row of " +
                             std::string(row[2].as_string()) + " that is not there");
  }
}

/// The columns are for people and queries; the key covers the inputs.
std::string axes_of(const store::CellRecord& cell) {
  return canonical_json(json::object{{"task", cell.task},
                                     {"policy", cell.policy},
                                     {"budget", cell.budget ? json::value(*cell.budget) : nullptr},
                                     {"schedule", cell.schedule},
                                     {"positions", cell.positions},
                                     {"length", cell.length},
                                     {"dtype", cell.dtype},
                                     {"kv_dtype", cell.kv_dtype},
                                     {"seed", cell.seed}});
}

std::string axes_in_inputs(const store::CellRecord& cell) {
  const auto inputs = parse_json(cell.inputs, "inputs", ErrorKind::kStore);
  json::object axes{{"task", inputs.at("task").at("name")}};
  for (const char* name :
       {"policy", "budget", "schedule", "positions", "length", "dtype", "kv_dtype", "seed"}) {
    axes[name] = inputs.at(name);
  }
  return canonical_json(axes);
}

void check_cell(const store::StoredCell& stored, RowCheck& check) {
  const auto& cell = stored.record;
  const std::string where = "cell " + cell_label(cell) + " (" + cell.key.substr(0, 12) + "…): ";
  if (sha256_hex(cell.inputs) != cell.key) {
    check.findings.push_back(where + "its key is not the SHA-256 of its inputs");
  }
  try {
    if (axes_in_inputs(cell) != axes_of(cell)) {
      check.findings.push_back(where +
                               "its columns are not those of its inputs: " + axes_in_inputs(cell));
    }
  } catch (const std::exception& error) {
    check.findings.push_back(where + "its inputs cannot be read: " + error.what());
  }
  if (stored.status == store::CellStatus::kDone && stored.samples_done < cell.n_samples) {
    check.findings.push_back(where + "it is done, but only " + std::to_string(stored.samples_done) +
                             " of " + std::to_string(cell.n_samples) + " samples are there");
  }
}

void check_trace(const std::vector<float>& trace, std::int64_t tokens, const json::value& sum,
                 const std::string& where, RowCheck& check) {
  if (static_cast<std::int64_t>(trace.size()) != tokens) {
    check.findings.push_back(where + std::to_string(tokens) + " tokens are scored, its trace has " +
                             std::to_string(trace.size()) + " values");
    return;
  }
  double total = 0, magnitude = 0;
  for (const float value : trace) {
    total += value;
    magnitude += std::abs(value);
  }
  const double n = static_cast<double>(trace.size());
  const double allowed = magnitude * (std::ldexp(1.0, -24) + n * std::ldexp(1.0, -52)) +
                         n * double{std::numeric_limits<float>::denorm_min()};
  const double stored = sum.is_double() ? sum.get_double() : std::nan("");
  if (!(std::abs(stored - total) <= allowed)) {
    check.findings.push_back(where + "its NLL sums to " + json::serialize(json::value(total)) +
                             " over its trace, stored is " + json::serialize(sum));
  }
}

// The score against what the stored output gives without a model, within rounding.
void check_score(const std::string& task, const json::value& score, const std::string& output,
                 const std::string& where, RowCheck& check) {
  const auto again = tasks::rescore(task, output, root_folder());
  if (!again && !score.is_double()) return;
  ++check.scores;
  constexpr double kRounding = 1e-12;
  if (!again || !score.is_double() ||
      !(std::abs(score.get_double() - *again) <= kRounding * std::max(1.0, std::abs(*again)))) {
    check.findings.push_back(where + "its output gives the score " +
                             (again ? json::serialize(json::value(*again)) : "none") +
                             ", stored is " + json::serialize(score));
  }
}

void check_samples(const store::RunStore& store, const store::CellRecord& cell, RowCheck& check) {
  const auto rows = store.query(
      "SELECT sample_key, sample_id, sample_hash, tokens_scored, nll_sum, nll_trace IS NOT NULL, "
      "score, output "
      "FROM sample WHERE cell_id = (SELECT id FROM cell WHERE key = ?1) ORDER BY id",
      std::array{json::value(cell.key)});
  for (const auto& row : rows.rows) {
    ++check.samples;
    const std::string key(row[0].as_string());
    const std::string where =
        "sample " + std::string(row[1].as_string()) + " of " + cell_label(cell) + ": ";
    if (grid::sample_key(cell.key, std::string(row[2].as_string())) != key) {
      check.findings.push_back(where + "its key is not that of its cell and content");
    }
    try {
      check_score(cell.task, row[6], std::string(row[7].as_string()), where, check);
    } catch (const Error& error) {
      check.findings.push_back(where + error.what());
    }
    if (row[5] != 1) continue;
    ++check.traces;
    try {
      check_trace(store.read_nll_trace(key), row[3].as_int64(), row[4], where, check);
    } catch (const Error& error) {
      check.findings.push_back(where + error.what());
    }
  }
}

void check_trainings(const store::RunStore& store, RowCheck& check) {
  const auto rows = store.query("SELECT key, kind, name, recipe, seed FROM training ORDER BY id");
  for (const auto& row : rows.rows) {
    const auto text = [&](std::size_t column) { return std::string(row[column].as_string()); };
    ++check.trainings;
    if (store::training_key(text(1), text(3), row[4].as_int64()) == text(0)) continue;
    check.findings.push_back("training run " + text(2) + ", seed " +
                             std::to_string(row[4].as_int64()) + " (" + text(0).substr(0, 12) +
                             "…): its key is not the SHA-256 of kind, recipe and seed");
  }
}

/// What is wrong with the file that stands where a registered model should; empty when nothing is.
std::string wrong_file(const std::string& name) {
  for (const auto& known : registered_models()) {
    if (known.name != name || known.given_by_variable() || !fs::exists(known.path)) continue;
    try {
      const std::string found = weights_sha256(known.path, Hashing::kRead);
      if (found == known.sha256) continue;
      return known.path.string() + " has SHA-256 " + found + ", expected " + known.sha256;
    } catch (const Error& error) {
      return error.what();
    }
  }
  return "";
}

FileCheck check_model(const std::string& name, const json::value& identity, const AtHand& at_hand,
                      Catalogue& catalogue) {
  const bool chat = identity.as_object().contains("chat_template_sha256");
  const bool ends = identity.as_object().contains("end_ids");
  FileCheck check{"model " + name + (chat ? " with its chat template" : ""),
                  FileCheck::State::kNotAtHand, ""};
  const auto found = find_model(name, at_hand, check.detail);
  if (!found) {
    if (const auto wrong = wrong_file(name); !wrong.empty()) {
      return {check.name, FileCheck::State::kDiffers, wrong};
    }
    return check;
  }
  try {
    // Hashes of large files are remembered; here the bytes count. They are compared before the
    // opening: a file that is damaged may not open.
    const auto path = fs::absolute(resolve_model(*found).path);
    const json::value hash(weights_sha256(path, Hashing::kRead));
    auto unequal = differences(identity.at("weights_sha256"), hash, "weights_sha256");
    if (unequal.empty()) {
      auto entry = catalogue.model(*found);
      entry.identity["weights_sha256"] = hash;
      if (chat) {
        entry.identity["chat_template_sha256"] = catalogue.chat_template_sha256(entry.path);
      }
      if (ends) entry.identity["end_ids"] = catalogue.end_ids(entry.path);
      unequal = differences(identity, entry.identity);
    }
    check.state = unequal.empty() ? FileCheck::State::kSame : FileCheck::State::kDiffers;
    check.detail = unequal.empty() ? path.string() : join(unequal, "; ");
  } catch (const Error& error) {
    check.detail = error.what();
  }
  return check;
}

FileCheck check_task(const std::string& name, std::int64_t length, const json::value& identity,
                     const AtHand& at_hand) {
  FileCheck check{"task " + name + ", length " + std::to_string(length),
                  FileCheck::State::kNotAtHand, ""};
  std::vector<json::object> choices{options_of(identity.as_object())};
  for (const auto& [task, options] : tasks_of(at_hand)) {
    if (task == name) choices.push_back(options);
  }
  for (const auto& options : choices) {
    try {
      const auto at_hand_now = tasks::make_task(name, options, length, root_folder())->identity();
      const auto unequal = differences(identity, at_hand_now);
      if (unequal.empty()) return {check.name, FileCheck::State::kSame, ""};
      check.state = FileCheck::State::kDiffers;
      check.detail = join(unequal, "; ");
    } catch (const Error& error) {
      if (check.state != FileCheck::State::kDiffers) check.detail = error.what();
    }
  }
  return check;
}

}  // namespace

RowCheck check_rows(const store::RunStore& store) {
  RowCheck check;
  try {
    check_database(store, check);
    for (const auto& stored : store.cells()) {
      ++check.cells;
      check_cell(stored, check);
      check_samples(store, stored.record, check);
    }
    check_trainings(store, check);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kStore) throw;
    check.findings.push_back(error.what());
  }
  return check;
}

std::vector<FileCheck> check_files(const store::RunStore& store, const AtHand& at_hand) {
  std::vector<FileCheck> checks;
  std::set<std::string> seen;
  Catalogue catalogue;
  for (const auto& stored : store.cells()) {
    const auto& cell = stored.record;
    try {
      const auto inputs = parse_json(cell.inputs, "inputs", ErrorKind::kStore);
      json::value model = inputs.at("model");
      for (const char* reading : {"chat_template_sha256", "end_ids"}) {
        if (const auto* value = inputs.as_object().if_contains(reading)) {
          model.as_object()[reading] = *value;
        }
      }
      const auto& task = inputs.at("task").at("identity");
      if (seen.insert(cell.model + "\n" + canonical_json(model)).second) {
        checks.push_back(check_model(cell.model, model, at_hand, catalogue));
      }
      const auto length = std::to_string(cell.length);
      if (seen.insert(cell.task + "\n" + length + "\n" + canonical_json(task)).second) {
        checks.push_back(check_task(cell.task, cell.length, task, at_hand));
      }
    } catch (const std::exception&) {
      continue;  // inputs that cannot be read are a finding of check_rows()
    }
  }
  return checks;
}

std::string to_string(FileCheck::State state) {
  switch (state) {
    case FileCheck::State::kSame:
      return "same";
    case FileCheck::State::kDiffers:
      return "differs";
    case FileCheck::State::kNotAtHand:
      break;
  }
  return "not at hand";
}

}  // namespace lethe::cli
