// SPDX-License-Identifier: Apache-2.0
// A small real grid in two shards: joined, exported, imported, signed and verified.
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

// 3 cells, 3 samples of 48 tokens.
const std::string kSuite = R"({
  "name": "tiny", "models": ["smollm2-135m"],
  "tasks": [{"name": "pg19", "books": ["860"], "windows": 1}],
  "policies": ["full", "window", "tova"], "budgets": [16], "lengths": [48],
  "schedules": ["exact"], "dtypes": ["float32"], "seeds": [0]
})";

json::value json_of(const Outcome& outcome) {
  CAPTURE(outcome.err);
  return parse_json(outcome.out, "output", ErrorKind::kData);
}

void exec(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  const int changed = sqlite3_changes(db);
  sqlite3_close(db);
  REQUIRE(rc == SQLITE_OK);
  REQUIRE(changed > 0);
}

void replace(const fs::path& from, const fs::path& to) {
  fs::copy_file(from, to, fs::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("shards are joined, kept and signed", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "tiny.json", kSuite);
  const auto made = shell(
      "lethe run tiny.json --db whole.db && "
      "lethe run tiny.json --db 1.db --set policies=full,window && "
      "lethe run tiny.json --db 2.db --set policies=tova,window",
      folder.path());
  CAPTURE(made.err);
  REQUIRE(made.code == 0);

  const auto merged = shell("lethe merge all.db 1.db 2.db --json", folder.path());
  CHECK(merged.code == 0);
  const auto report = json_of(merged).at("merged");
  CHECK(report.at(0).at("samples_new") == 2);
  CHECK(report.at(1).at("samples_new") == 1);
  CHECK(report.at(1).at("conflicts").as_array().empty());
  CHECK_THAT(shell("lethe merge all.db 1.db", folder.path()).out,
             Contains("0 of 2 samples and 0 of 2 cells are new in all.db"));
  CHECK_THAT(shell("lethe run tiny.json --db all.db", folder.path()).out,
             Contains("no forward pass was needed"));

  const auto hash = shell("lethe manifest --db whole.db", folder.path()).out;
  CHECK_THAT(hash, Contains("3 cells, 3 samples\nsha256 "));
  CHECK(shell("lethe manifest --db all.db", folder.path()).out == hash);
  CHECK(shell("lethe manifest --db all.db --suite tiny", folder.path()).out == hash);
  CHECK_THAT(shell("lethe manifest --db all.db --suite tinny", folder.path()).err,
             Contains("did you mean 'tiny'"));
  const auto manifest = json_of(shell("lethe manifest --db all.db --json", folder.path()));
  CHECK_THAT(hash, Contains(std::string(manifest.at("sha256").as_string())));

  const auto kept = shell(
      "mkdir kept && lethe export --db all.db --out kept && lethe import --db back.db "
      "kept/all.jsonl "
      "&& lethe export --db back.db --out back.jsonl && cmp kept/all.jsonl back.jsonl && "
      "lethe import --db back.db kept/all.jsonl",
      folder.path());
  CAPTURE(kept.err);
  CHECK(kept.code == 0);
  CHECK_THAT(kept.out, Contains("0 of 3 samples and 0 of 3 cells are new in back.db"));
  CHECK(shell("lethe manifest --db back.db", folder.path()).out == hash);
  const auto cut =
      shell("head -n 5 back.jsonl > cut.jsonl; lethe import --db cut.db cut.jsonl", folder.path());
  CHECK(cut.code == 2);
  CHECK_THAT(cut.err, Contains("cut.jsonl, line 6 is damaged"));

  exec(folder / "2.db", "UPDATE sample SET nll_sum = nll_sum + 1");
  const auto clash = shell("lethe merge all.db 2.db", folder.path());
  CHECK(clash.code == 1);
  CHECK_THAT(clash.out, Contains("conflict: pg19/smollm2-135m/tova:budget=16/length=48") &&
                            Contains("not within 1e-6") && Contains("2 conflicts"));
  CHECK(shell("lethe manifest --db all.db", folder.path()).out == hash);
  CHECK_THAT(shell("lethe merge all.db", folder.path()).err, Contains("SHARD is missing"));
}

TEST_CASE("verify tells sound databases from others", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "tiny.json", kSuite);
  const auto made = shell("lethe run tiny.json --db good.db && rm tiny.json", folder.path());
  CAPTURE(made.err);
  REQUIRE(made.code == 0);

  const auto sound = shell("lethe verify --db good.db --rerun --share 60 --json", folder.path());
  CAPTURE(sound.err, sound.out);
  CHECK(sound.code == 0);
  const auto found = json_of(sound);
  CHECK(found.at("samples") == 3);
  CHECK(found.at("traces") == 3);
  for (const auto& file : found.at("files").as_array()) CHECK(file.at("state") == "same");
  CHECK(found.at("files").as_array().size() == 2);
  CHECK(found.at("rerun").at("identical") == 2);
  CHECK(found.at("rerun").at("not_run").as_array().empty());

  const auto broken = [&](const std::string& sql, const std::string& expected,
                          const std::string& more = "") {
    INFO(sql);
    replace(folder / "good.db", folder / "bad.db");
    exec(folder / "bad.db", sql);
    const auto outcome = shell("lethe verify --db bad.db " + more, folder.path());
    CAPTURE(outcome.out, outcome.err);
    CHECK(outcome.code == 1);
    CHECK_THAT(outcome.out, Contains(expected));
  };
  broken("UPDATE cell SET inputs = json_set(inputs, '$.seed', 1) WHERE policy = 'tova'",
         "not the SHA-256 of its inputs");
  broken("UPDATE cell SET budget = 17 WHERE policy = 'tova'",
         "columns are not those of its inputs");
  broken("UPDATE cell SET n_samples = 2 WHERE policy = 'full'", "only 1 of 2 samples");
  broken("UPDATE sample SET sample_hash = 'x' WHERE id = 1", "not that of its cell and content");
  broken("UPDATE sample SET nll_sum = nll_sum * (1 + 1e-6) WHERE id = 1", "its NLL sums to");
  broken("UPDATE sample SET tokens_scored = 46 WHERE id = 1", "its trace has 47 values");
  broken("UPDATE sample SET nll_trace = x'00' WHERE id = 1", "damaged");
  broken("PRAGMA foreign_keys = OFF; UPDATE sample SET provenance_id = 77",
         "names a row of origin");
  // Sound in itself, and still not what the model says.
  broken("UPDATE sample SET nll_trace = NULL, nll_sum = nll_sum + 0.1",
         "0 within the noise floor of mean NLL", "--rerun");
  replace(folder / "good.db", folder / "near.db");
  exec(folder / "near.db", "UPDATE sample SET nll_sum = nll_sum * (1 + 1e-9)");
  const auto near = shell("lethe verify --db near.db --rerun --share 100 --json", folder.path());
  CHECK(json_of(near).at("rerun").at("within_noise") == 3);
  CHECK(near.code == 0);
}

TEST_CASE("verify finds a flipped byte of a model's file", "[cli][integration]") {
  const TempDir folder;
  const auto model = folder / "mine.gguf";
  fs::copy_file(default_model(), model);
  // Another byte in a text that decides nothing: not the registered model any more.
  std::string bytes = read_file(model, ErrorKind::kData);
  const auto text = bytes.find("general.name") + 12 + 4 + 8;
  bytes[text] ^= 1;
  write_file_atomically(model, bytes);
  auto suite = kSuite;
  suite.replace(suite.find("smollm2-135m"), 12, "mine.gguf");
  suite.replace(suite.find("\"window\", "), 10, "");
  write_file_atomically(folder / "tiny.json", suite);
  const auto made = shell("lethe run tiny.json --db mine.db", folder.path());
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  const std::string verify = "lethe verify --db mine.db --model mine.gguf";
  CHECK_THAT(shell(verify, folder.path()).out, Contains("model custom:mine.gguf: same"));

  // Deep in the weights, with size and time of modification as they were.
  const auto time = fs::last_write_time(model);
  bytes[bytes.size() - 5000] ^= 4;
  {
    std::fstream file(model, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(bytes.size() - 5000));
    file.put(bytes[bytes.size() - 5000]);
  }
  fs::last_write_time(model, time);
  const auto flipped = shell(verify, folder.path());
  CAPTURE(flipped.out);
  CHECK(flipped.code == 1);
  CHECK_THAT(flipped.out, Contains("model custom:mine.gguf: differs (weights_sha256: "));
  // A header that cannot be read any more is no reason to say nothing.
  fs::resize_file(model, 1000);
  const auto cut = shell(verify, folder.path());
  CHECK(cut.code == 1);
  CHECK_THAT(cut.out, Contains("model custom:mine.gguf: differs (weights_sha256: "));
}

TEST_CASE("verify says what is not at hand", "[cli][integration]") {
  const TempDir folder;
  auto suite = kSuite;
  suite.replace(suite.find("\"windows\""), 0, "\"data\": \"books\", ");
  suite.replace(suite.find("\"full\", \"window\", "), 18, "");
  write_file_atomically(folder / "tiny.json", suite);
  fs::create_directory(folder / "books");
  write_file_atomically(
      folder / "books/860.txt",
      read_file(source_dir() / "data/samples/pg19/860.txt", ErrorKind::kData).substr(0, 4000));
  const auto made = shell("lethe run tiny.json --db r.db", folder.path());
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  // Another book under this id lies in the default folder.
  const auto lost = shell("lethe verify --db r.db --rerun", folder.path());
  CAPTURE(lost.out, lost.err);
  CHECK(lost.code == 1);
  CHECK_THAT(lost.out, Contains("books[0].sha256") && Contains("not run: pg19/"));
  const auto shown = shell("lethe verify --db r.db --rerun --suite tiny.json", folder.path());
  CAPTURE(shown.out, shown.err);
  CHECK(shown.code == 0);
  CHECK_THAT(shown.out, Contains("1 identical in every bit"));

  const auto elsewhere = shell(
      "LETHE_MODEL_PATH=/there/is/none lethe verify --db r.db --suite tiny.json", folder.path());
  CAPTURE(elsewhere.out);
  CHECK(elsewhere.code == 0);
  CHECK_THAT(elsewhere.out, Contains("model smollm2-135m: not at hand"));
  CHECK(shell("lethe verify --db r.db --seed 3", folder.path()).code == 2);
  CHECK(shell("lethe verify --db r.db --rerun --share 0", folder.path()).code == 2);
}

}  // namespace lethe::test
