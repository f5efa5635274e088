// SPDX-License-Identifier: Apache-2.0
#include "harness/store/manifest.h"

#include <iostream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/store/store_lock.h"

namespace lethe::cli {

namespace {

void check_suite(const store::RunStore& store, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& row : store.query("SELECT DISTINCT suite FROM suite_cell ORDER BY 1").rows) {
    known.emplace_back(row[0].as_string());
    if (known.back() == name) return;
  }
  throw unknown_name(ErrorKind::kConfig, "suite", name, known).add_context(store.path().string());
}

int run(const Options& options) {
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  const auto suite = options.find("suite");
  if (suite) check_suite(store, *suite);
  if (const auto writer = store::StoreLock::holder(store.path())) {
    throw Error(ErrorKind::kStore, store.path().string() + " is being written (" + *writer +
                                       "): the manifest is of a finished run; wait for it");
  }
  const auto manifest = store::make_manifest(store, suite);
  if (options.has("json")) {
    // The text is spliced, not parsed and written again: it is what the hash is over.
    std::cout << manifest.text.substr(0, manifest.text.size() - 1) << ",\"sha256\":\""
              << manifest.sha256 << "\"}\n";
    return kExitOk;
  }
  std::cout << with_thousands(manifest.cells) << " cells, " << with_thousands(manifest.samples)
            << " samples\nsha256 " << manifest.sha256 << '\n';
  return kExitOk;
}

}  // namespace

Command manifest_command() {
  CommandSpec spec;
  spec.name = "manifest";
  spec.summary = "one hash over everything that was measured";
  spec.description =
      "Covers every cell's inputs (with the hashes of weights, tokenizer and data) and the bits "
      "of\n"
      "every result; not the order of rows, times, places or programs. docs/user-guide.md has 15\n"
      "lines of Python that work it out from the database.";
  spec.options = {{"db", "FILE", "result database (default lethe.db)"},
                  {"suite", "NAME", "only this suite's cells"},
                  {"json", "", "print the whole manifest"}};
  spec.examples = {{"the hash to publish", "lethe manifest --db lethe.db"},
                   {"what it is over", "lethe manifest --db lethe.db --json > manifest.json"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
