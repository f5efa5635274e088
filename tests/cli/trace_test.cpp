// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <tuple>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

namespace {

struct Trace {
  json::object header;
  json::object summary;
  std::vector<json::object> tokens;
  std::vector<json::object> evictions;
  std::vector<json::object> kept;
};

/// Reads a trace and checks the order of its lines.
Trace read_trace(const std::string& text) {
  Trace trace;
  std::tuple<std::int64_t, std::int64_t, std::int64_t> last{-1, -1, -1};
  for (const auto& line : lines_of(text)) {
    CAPTURE(line);
    const auto object = parse_json(line, "trace", ErrorKind::kData).as_object();
    const std::string type(object.at("type").as_string());
    if (type == "header") {
      CHECK(trace.tokens.empty());
      trace.header = object;
    } else if (type == "token") {
      CHECK(object.at("i").as_int64() == static_cast<std::int64_t>(trace.tokens.size()));
      trace.tokens.push_back(object);
    } else if (type == "evict") {
      const auto head = object.at("head").is_null() ? -1 : object.at("head").as_int64();
      const std::tuple now{object.at("i").as_int64(), object.at("layer").as_int64(), head};
      CHECK(last < now);
      CHECK(std::get<0>(now) == static_cast<std::int64_t>(trace.tokens.size()) - 1);
      last = now;
      trace.evictions.push_back(object);
    } else if (type == "kept") {
      trace.kept.push_back(object);
    } else {
      CHECK(type == "summary");
      trace.summary = object;
    }
  }
  return trace;
}

std::string victims(const Trace& trace) {
  std::string out;
  for (const auto& line : trace.evictions) {
    out += json::serialize(line.at("i")) + ":" + json::serialize(line.at("layer")) + ":" +
           json::serialize(line.at("head")) + ":" + json::serialize(line.at("position")) + "\n";
  }
  return out;
}

const std::string kModel = "lethe trace --model smollm2-135m --threads 2 ";

}  // namespace

TEST_CASE("a trace tells every eviction in order, and both paths tell the same",
          "[cli][integration]") {
  const TempDir folder;
  std::filesystem::create_symlink(source_dir() / "data/samples/pg19/860.txt", folder / "860.txt");
  const std::string options = "--text 860.txt --limit 40 --budget 24 --dtype float64 --policy ";
  for (const std::string policy : {"tova", "h2o"}) {
    CAPTURE(policy);
    const auto scan = shell(kModel + options + policy, folder.path());
    CAPTURE(scan.err);
    REQUIRE(scan.code == 0);
    const auto trace = read_trace(scan.out);
    CHECK(trace.header.at("bos_added") == false);
    CHECK(trace.header.at("tokens") == 40);
    CHECK(trace.header.at("policy").as_string() == policy);
    REQUIRE(trace.tokens.size() == 40);
    CHECK(trace.tokens[0].at("id") == 16506);
    CHECK(trace.tokens[39].at("nll").is_null());
    const std::size_t heads = policy == "h2o" ? 3 : 1;
    CHECK(trace.evictions.size() == 30 * heads * (40 - 24));
    CHECK(trace.kept.size() == 30 * heads);
    for (const auto& kept : trace.kept) CHECK(kept.at("positions").as_array().size() == 24);
    double sum = 0;
    for (std::size_t i = 0; i < 39; ++i) sum += trace.tokens[i].at("nll").as_double();
    CHECK(trace.summary.at("mean_nll").as_double() == Approx(sum / 39));
    CHECK(trace.summary.at("ppl").as_double() == Approx(std::exp(sum / 39)));
    if (policy == "tova") continue;  // the engine's own tests compare the paths of every policy
    const auto step = shell(kModel + options + policy + " --path step", folder.path());
    CAPTURE(step.err);
    REQUIRE(step.code == 0);
    CHECK(victims(read_trace(step.out)) == victims(trace));
  }
}

TEST_CASE("a trace goes to a file, from ids, and stops when nobody reads", "[cli][integration]") {
  const TempDir folder;
  const auto written = shell("echo '16506 198 18082 766' | " + kModel +
                                 "--tokens - --policy window --budget 2 --out t.jsonl",
                             folder.path());
  CAPTURE(written.err);
  REQUIRE(written.code == 0);
  CHECK(written.out.empty());
  const auto trace = read_trace(read_file(folder / "t.jsonl", ErrorKind::kData));
  CHECK(trace.evictions.size() == 30 * 2);
  CHECK(trace.evictions[0].at("position") == 0);
  CHECK(json::serialize(trace.kept[0].at("positions")) == "[2,3]");

  const auto piped =
      shell("echo '16506 198 18082 766' | { " + kModel +
                "--tokens - --policy window --budget 2; echo $? >code; } | head -n 1",
            folder.path());
  CHECK(lines_of(piped.out).size() == 1);
  CHECK(piped.err.empty());
  CHECK(read_file(folder / "code", ErrorKind::kData) == "0\n");
  const auto full = shell(
      "echo '16506 198' | " + kModel + "--tokens - --policy full --out /dev/full", folder.path());
  CHECK(full.code == 2);
}

}  // namespace lethe::test
