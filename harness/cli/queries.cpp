// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/queries.h"

#include <algorithm>
#include <filesystem>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/cli/root.h"

namespace lethe::cli {

std::vector<SavedQuery> saved_queries() {
  std::vector<SavedQuery> queries;
  const auto folder = root_folder() / "data" / "queries";
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
    const auto& path = entry.path();
    if (path.extension() != ".sql") continue;
    SavedQuery query{path.stem().string(), "", read_text_file(path)};
    if (query.sql.rfind("-- ", 0) != 0) {
      throw Error(ErrorKind::kConfig, path.string() +
                                          ": expected a first line '-- what the query tells', "
                                          "found '" +
                                          query.sql.substr(0, query.sql.find('\n')) + "'");
    }
    query.summary = query.sql.substr(3, query.sql.find('\n') - 3);
    queries.push_back(std::move(query));
  }
  if (ec) {
    throw Error(ErrorKind::kConfig,
                "cannot read the saved queries in " + folder.string() + ": " + ec.message());
  }
  std::sort(queries.begin(), queries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return queries;
}

SavedQuery saved_query(const std::string& name) {
  std::vector<std::string> known;
  for (auto& query : saved_queries()) {
    if (query.name == name) return query;
    known.push_back(query.name);
  }
  throw unknown_name(ErrorKind::kUsage, "saved query", name, known);
}

}  // namespace lethe::cli
