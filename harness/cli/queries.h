// SPDX-License-Identifier: Apache-2.0
// Saved queries: data/queries/NAME.sql, one statement each that reads the result database.
#pragma once

#include <string>
#include <vector>

namespace lethe::cli {

struct SavedQuery {
  std::string name;     ///< of the file, without ".sql"
  std::string summary;  ///< its first line, a comment
  std::string sql;
};

/// All shipped queries, by name. Throws Error(kConfig) for one that does not begin with a comment.
std::vector<SavedQuery> saved_queries();

/// Throws Error(kUsage) for an unknown name, with a suggestion.
SavedQuery saved_query(const std::string& name);

}  // namespace lethe::cli
