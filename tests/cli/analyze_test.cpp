// SPDX-License-Identifier: Apache-2.0
// What a policy keeps: the task retention with its report, and lethe analyze on a trace.
#include <filesystem>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/store/database_file.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

TEST_CASE("under Window tokens live as long as the closed form says", "[cli][integration]") {
  const TempDir folder;
  const auto run = shell(
      "lethe run tova-analysis --db r.db --set lengths=64 --set budgets=16 --set "
      "policies=tova,tova:sinks=1,window && lethe report retention --db r.db --out out && lethe "
      "query --db r.db --format json \"SELECT policy, output, score FROM samples WHERE sample_id = "
      "'860/0'\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  const json::array rows =
      parse_json(run.out.substr(run.out.find("\n[") + 1), "rows", ErrorKind::kData).as_array();
  REQUIRE(rows.size() == 3);
  for (const auto& row : rows) {
    const json::value output =
        parse_json(std::string(row.at("output").as_string()), "output", ErrorKind::kData);
    const bool window = row.at("policy").as_string() == "window";
    // (1/T) sum of min(t, k + 1), whatever the policy.
    CHECK(output.at("mean_lifetime").to_number<double>() == Approx((17 * 18 / 2 + 47 * 17) / 64.0));
    CHECK((row.at("score").to_number<double>() == 1) == window);
    CHECK(output.at("layers").as_array().size() == 30);
    CHECK(output.at("first").as_array().size() == 25);
    CHECK(output.at("tags").as_object().contains("NNP"));
    for (const auto& steps : output.at("first").as_array()) {
      if (window) CHECK(steps.to_number<double>() == 17);
    }
  }
  const auto sound = shell("lethe verify --db r.db", folder.path());
  CAPTURE(sound.out);
  CHECK(sound.code == 0);
  CHECK_THAT(sound.out, Catch::Contains("18 scores; all sound"));
  DatabaseFile(folder / "r.db").exec("UPDATE sample SET score = score + 1e-9 WHERE id = 1");
  const auto wrong = shell("lethe verify --db r.db", folder.path());
  CHECK(wrong.code == 1);
  CHECK_THAT(wrong.out + wrong.err, Catch::Contains("its output gives the score"));
  const std::string page = read_text_file(folder / "out" / "index.html");
  for (const char* part : {"are recent", "tova:sinks=1", "plot-first-positions", "newline"}) {
    CHECK_THAT(page, Catch::Contains(part));
  }
}

TEST_CASE("a trace becomes a coloured text, maps and lifetimes", "[cli][integration]") {
  const TempDir folder;
  const std::string book = (source_dir() / "data/samples/pg19/860.txt").string();
  const std::string tags = (source_dir() / "data/samples/pg19-tags/860.tsv").string();
  const auto outcome = shell("lethe trace --model smollm2-135m --text " + book +
                                 " --limit 120 --policy window --budget 24 --out t.jsonl && "
                                 "lethe analyze t.jsonl --tags " +
                                 tags + " --json --layers 0,29",
                             folder.path());
  CAPTURE(outcome.err, outcome.out);
  REQUIRE(outcome.code == 0);
  const json::value found = parse_json(outcome.out, "analyze", ErrorKind::kData);
  CHECK(found.at("places").to_number<int>() == 30);
  CHECK(found.at("recency_share").to_number<double>() == 1);
  CHECK(found.at("mean_lifetime").to_number<double>() == Approx((25 * 26 / 2 + 95 * 25) / 120.0));
  const std::string csv = read_text_file(folder / "analysis" / "lifetimes.csv");
  CHECK_THAT(csv, Catch::Contains("\n40,") && Catch::Contains(",25.00,"));
  const std::string page = read_text_file(folder / "analysis" / "index.html");
  CHECK_THAT(page, Catch::Contains("Margaret") && Catch::Contains("kept-data") &&
                       Catch::Contains("layer 29"));
  for (const char* name : {"kept-map.svg", "kept-map.png"}) {
    CHECK(std::filesystem::file_size(folder / "analysis" / name) > 1000);
  }
}

TEST_CASE("a map of a layer shows all its heads, and lifetimes the text as it is",
          "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "t.txt", "He said \"no\", and left.\nThen he came back, twice.");
  const auto outcome = shell(
      "lethe trace --model smollm2-135m --text t.txt --policy tova:scope=head --budget 4 --out "
      "t.jsonl && lethe analyze t.jsonl --layers 1",
      folder.path());
  CAPTURE(outcome.err, outcome.out);
  REQUIRE(outcome.code == 0);
  const std::string map = read_text_file(folder / "analysis" / "kept-map.gp");
  for (const char* name : {"layer 1, head 0", "layer 1, head 1", "layer 1, head 2"}) {
    CHECK_THAT(map, Catch::Contains(name));
  }
  CHECK_THAT(map, !Catch::Contains("layer 0"));
  CHECK_THAT(read_text_file(folder / "analysis" / "lifetimes.csv"), Catch::Contains(",\"\n\","));
  // On paper there is nothing to scroll.
  CHECK_THAT(read_text_file(folder / "analysis" / "index.html"),
             Catch::Contains("@media print { .kept { max-height: none"));
  const auto beyond = shell("lethe analyze t.jsonl --layers 30", folder.path());
  CHECK(beyond.code == 2);
  CHECK_THAT(beyond.err, Catch::Contains("expected numbers from 0 to 29, found '30'"));
}

TEST_CASE("the largest batch that fits decodes as fast as the report says", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "e.json", R"({"name": "e", "report": "efficiency",
    "models": ["smollm2-135m"], "tasks": [{"name": "efficiency", "books": ["860"], "windows": 6,
    "new": 6, "memory_mib": 8}], "policies": ["full", "tova"], "budgets": [16, 32],
    "lengths": [64]})");
  const auto run = shell(
      "lethe reproduce e.json --out out && lethe query --db out/results.db --format csv \"SELECT "
      "policy, budget, json_extract(output, '$.lanes'), max(peak_bytes), count(*) FROM samples "
      "GROUP "
      "BY 1, 2, 3 ORDER BY 1, 2, 3\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  // 30 layers x 3 KV heads x 2 x 64 numbers of 4 bytes; the token at hand is cached before one
  // goes.
  const auto bytes = [](int tokens) { return std::to_string(tokens * 30 * 3 * 2 * 64 * 4); };
  CHECK_THAT(run.out, Catch::Contains("full,,2,") && Catch::Contains("," + bytes(63) + ",6") &&
                          Catch::Contains("tova,16,6," + bytes(17) + ",6") &&
                          Catch::Contains("tova,32,5," + bytes(33) + ",5") &&
                          Catch::Contains("tova,32,1,"));
  const std::string report = read_text_file(folder / "out" / "report.md");
  CHECK_THAT(report, Catch::Contains("| tova | 32 |") && Catch::Contains("More samples would fit"));
  CHECK_THAT(run.out, Catch::Contains("times the full cache"));
  write_file_atomically(folder / "s.json", R"({"name": "s", "models": ["smollm2-135m"],
    "tasks": [{"name": "efficiency", "books": ["860"], "windows": 1, "new": 6, "memory_mib": 1}],
    "policies": ["full"], "lengths": [64]})");
  const auto small = shell("lethe run s.json --db s.db", folder.path());
  CHECK(small.code == 1);
  CHECK_THAT(small.out, Catch::Contains("more than memory_mib allows"));
}

TEST_CASE("beginnings of a text are reported with the claims of Figure 7", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "x.json", R"({"name": "x", "report": "extrapolation",
    "models": ["smollm2-135m"], "tasks": [{"name": "pg19", "books": ["860"], "windows": 1}],
    "policies": ["tova", "window:sinks=4"], "budgets": [16], "lengths": [70],
    "positions": ["original", "compressed"],
    "exclude": [{"policies": ["window:sinks=4"], "positions": ["compressed"]}]})");
  const auto run = shell(
      "lethe reproduce x.json --out out && lethe query --db out/results.db --format csv \"SELECT "
      "policy, positions, round(value, 2) FROM results WHERE metric = 'ppl'\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  const std::string csv = read_text_file(folder / "out" / "extrapolation.csv");
  CAPTURE(csv);
  // The last point is the whole text.
  int compared = 0;
  for (const auto& line : split(run.out, '\n')) {
    const auto parts = split(line, ',');
    if (parts.size() != 3 || (parts[0] != "tova" && parts[0] != "window:sinks=4")) continue;
    CHECK_THAT(csv, Catch::Contains(parts[2].substr(0, parts[2].find('.') + 2)));
    ++compared;
  }
  CHECK(compared == 3);
  CHECK_THAT(run.out, Catch::Contains("(compressed positions, budget 16)"));
}

TEST_CASE("what is no whole trace is refused with its line", "[cli][fault]") {
  const TempDir folder;
  const auto refused = [&](const std::string& content, const std::string& what) {
    write_file_atomically(folder / "t.jsonl", content);
    const auto outcome = shell("lethe analyze t.jsonl", folder.path());
    CAPTURE(content, outcome.err);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Catch::Contains(what));
    CHECK_FALSE(std::filesystem::exists(folder / "analysis"));
  };
  const std::string head = R"({"type":"header","model":"smollm2-135m","tokens":2})";
  const std::string token = R"({"type":"token","i":0,"id":5,"nll":1.5})";
  refused("", "expected a whole trace");
  refused(token + "\n", "line 1: expected the header");
  refused(head + "\n" + token + "\n", "found 1 tokens");
  refused(head + "\n{\"type\":\"evict\",\"i\":1,\"layer\":0,\"head\":null,\"position\":7}\n",
          "line 2");
  refused(head + "\n{\"type\":\"dance\"}\n", "found type 'dance'");
  refused("{\n", "line 1");
  CHECK(shell("lethe analyze none.jsonl", folder.path()).code == 2);
}

}  // namespace
}  // namespace lethe::test
