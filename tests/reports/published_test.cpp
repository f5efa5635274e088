// SPDX-License-Identifier: Apache-2.0
// The published figures that are shipped: every file reads, names its source, and keeps its rules.
#include "reports/published.h"

#include <map>

#include "harness/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;

namespace {

PublishedTable shipped(const std::string& id) {
  return read_published(test::source_dir() / "data/published" / (id + ".json"));
}

}  // namespace

TEST_CASE("every shipped table of published figures reads", "[reports][unit]") {
  const std::map<std::string, std::size_t> values{{"rmt-figure1-long-evaluation", 37},
                                                  {"rmt-figure3-flops", 90},
                                                  {"rmt-figure5-train-eval", 315},
                                                  {"rmt-arxiv-language-model", 125},
                                                  {"rmt-arxiv-noise", 10},
                                                  {"rmt2022-table1-quadratic", 3},
                                                  {"rmt2022-figure3-copy-reverse-retrieval", 62},
                                                  {"rmt2022-table2-table5-wikitext103", 50},
                                                  {"rmt2022-table3-hyperpartisan", 21},
                                                  {"rmt2022-table4-enwik8", 18},
                                                  {"babilong-leaderboard", 173},
                                                  {"armt-table1-babilong", 66},
                                                  {"autocompressors-rmt-baseline", 4},
                                                  {"tova-table3-pg19-perplexity", 70}};
  for (const auto& [id, count] : values) {
    CAPTURE(id);
    const PublishedTable table = shipped(id);
    CHECK(table.id == id);
    CHECK(table.values.size() == count);
    CHECK_FALSE(table.paper.empty());
    CHECK_FALSE(table.arxiv.empty());
    CHECK_FALSE(table.place.empty());
  }
}

TEST_CASE("values read off a drawing carry their reading error, printed ones none",
          "[reports][unit]") {
  for (const auto& item :
       std::filesystem::directory_iterator(test::source_dir() / "data/published")) {
    if (item.path().extension() != ".json") continue;
    const json::value file = read_json_file(item.path(), ErrorKind::kData);
    if (file.at("schema") != "lethe-published-1") continue;
    CAPTURE(item.path().filename().string());
    const PublishedTable table = read_published(item.path());
    const json::array& raw = file.at("values").as_array();
    REQUIRE(raw.size() == table.values.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      CAPTURE(i);
      CHECK(raw[i].at("exact").as_bool() == !table.values[i].reading_error.has_value());
    }
  }
}

TEST_CASE("a value names its own model, or has the table's", "[reports][unit]") {
  const PublishedTable flops = shipped("rmt-figure3-flops");
  CHECK(flops.values.front().model == "OPT-125M");
  CHECK(flops.values.back().metric == "flops_reduction");
  const PublishedTable quadratic = shipped("rmt2022-table1-quadratic");
  CHECK(quadratic.values.front().model == quadratic.model);
}
