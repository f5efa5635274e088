// SPDX-License-Identifier: Apache-2.0
// docs/store-schema.md against the schema.
#include "harness/base/text.h"
#include "harness/store/run_store.h"
#include "harness/store/schema.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;

TEST_CASE("the page on the schema names every table, view and column, and its queries run") {
  const std::string page = read_text_file(test::source_dir() / "docs/store-schema.md");
  test::TempDir dir;
  const auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto expect = [&](const std::string& text) {
    INFO(text);
    CHECK(page.find(text) != std::string::npos);
  };
  expect("schema version " + std::to_string(kSchemaVersion));
  const auto columns = store.query(
      "SELECT DISTINCT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c "
      "WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%'");
  CHECK(columns.rows.size() > 100);
  for (const auto& row : columns.rows) {
    expect("`" + std::string(row[0].as_string()) + "`");
    expect("`" + std::string(row[1].as_string()) + "`");
  }

  int queries = 0;
  for (std::size_t at = 0; (at = page.find("```sql\n", at)) != std::string::npos;) {
    at += 7;
    const auto block = page.substr(at, page.find("```", at) - at);
    for (const auto& sql : split(block, ';')) {
      if (sql.find_first_not_of(" \n") == std::string::npos) continue;
      INFO(sql);
      CHECK_NOTHROW(store.query(sql));
      ++queries;
    }
  }
  CHECK(queries == 5);
}
