// SPDX-License-Identifier: Apache-2.0
// Cells of a database made runnable again, when the suite that asked for them may be gone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/cli/catalogue.h"
#include "harness/grid/cell.h"
#include "harness/store/merge.h"
#include "harness/store/records.h"

namespace lethe::cli {

/// As grid::Cell::label().
std::string cell_label(const store::CellRecord& record);

/// The options that give a task with this identity (tasks::Task::identity()): its member "options",
/// else its members without the version, lists of files as lists of their ids. Where the files lie
/// is not part of an identity: the task's default folder is meant.
json::object options_of(const json::object& task_identity);

/// "books[0].sha256: 1a… stored, 2b… at hand", one per place where the two differ.
std::vector<std::string> differences(const json::value& stored, const json::value& at_hand,
                                     const std::string& where = "");

/// What helps to find things that a database names and does not hold.
struct AtHand {
  std::vector<std::string> model_paths;        ///< --model: files behind names "custom:…"
  std::optional<std::filesystem::path> suite;  ///< --suite: another source of task options
};

/// Task options by task name: from the suite that the user gave, empty without one.
std::vector<std::pair<std::string, json::object>> tasks_of(const AtHand& at_hand);

/// What names the model on a command line: a registered name or a path. Nothing when no file at
/// hand has that name; `why` then says so.
std::optional<std::string> find_model(const std::string& stored_name, const AtHand& at_hand,
                                      std::string& why);

/// A cell to run, or why there is none.
struct Rebuilt {
  std::optional<grid::Cell> cell;
  std::string why_not;
};

/// Expands the stored axes again and takes the cell if it has the stored key: then everything that
/// decides its numbers is what it was. Throws nothing that is wrong with the one cell.
Rebuilt rebuild(const store::CellRecord& record, const AtHand& at_hand, Catalogue& catalogue);

}  // namespace lethe::cli
