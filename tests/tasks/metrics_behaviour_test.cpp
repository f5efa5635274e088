// SPDX-License-Identifier: Apache-2.0
// Pitfalls of the scorers by hand, naive definitions beside the fast ones, cases that are refused.
#include <algorithm>
#include <filesystem>

#include "harness/base/seed.h"
#include "tasks/metrics/code_similarity.h"
#include "tasks/metrics/lcs.h"
#include "tasks/metrics/longbench.h"
#include "tasks/metrics/metric.h"
#include "tasks/metrics/porter_stemmer.h"
#include "tasks/metrics/python_text.h"
#include "tasks/metrics/rouge.h"
#include "tasks/metrics/token_f1.h"
#include "tasks/metrics/transliteration.h"
#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::tasks {
namespace {

/// The walk by the whole table.
LcsWalk naive_walk(const WordIds& rows, const WordIds& columns) {
  std::vector<std::vector<int>> t(rows.size() + 1, std::vector<int>(columns.size() + 1));
  for (std::size_t i = 1; i <= rows.size(); ++i) {
    for (std::size_t j = 1; j <= columns.size(); ++j) {
      t[i][j] =
          rows[i - 1] == columns[j - 1] ? t[i - 1][j - 1] + 1 : std::max(t[i - 1][j], t[i][j - 1]);
    }
  }
  LcsWalk walk;
  std::size_t i = rows.size();
  std::size_t j = columns.size();
  while (i > 0 && j > 0) {
    ++walk.steps;
    if (rows[i - 1] == columns[j - 1]) {
      walk.rows.push_back(--i);
      --j;
    } else if (t[i][j - 1] > t[i - 1][j]) {
      --j;
    } else {
      --i;
    }
  }
  return walk;
}

WordIds random_words(RandomStream& random, std::size_t most, std::uint64_t alphabet) {
  WordIds words(random.below(most + 1));
  for (auto& word : words) word = static_cast<WordId>(random.below(alphabet));
  return words;
}

}  // namespace

TEST_CASE("common subsequences by bits are those of the table") {
  RandomStream random(7);
  for (int round = 0; round < 600; ++round) {
    const std::uint64_t alphabet = 1 + random.below(round % 3 == 0 ? 3 : 40);
    const std::size_t most = round % 20 == 0 ? 700 : 90;
    const auto rows = random_words(random, most, alphabet);
    const auto columns = random_words(random, most, alphabet);
    const LcsColumns fast(columns);
    const auto expected = naive_walk(rows, columns);
    const auto found = fast.walk(rows);
    CAPTURE(round, rows.size(), columns.size());
    REQUIRE(found.rows == expected.rows);
    REQUIRE(found.steps == expected.steps);
    REQUIRE(fast.length(rows) == expected.rows.size());
  }
}

TEST_CASE("a walk whose rows do not fit at once is the same") {
  RandomStream random(8);
  // 9,000 rows of 32 machine words: rows are kept in blocks and made again.
  WordIds rows(9000);
  WordIds columns(2000);
  for (auto& word : rows) word = static_cast<WordId>(random.below(50));
  for (auto& word : columns) word = static_cast<WordId>(random.below(50));
  const auto found = LcsColumns(columns).walk(rows);
  const auto expected = naive_walk(rows, columns);
  CHECK((found.rows == expected.rows));
  CHECK(found.steps == expected.steps);
}

TEST_CASE("Python's lower, split and numbers") {
  CHECK(python_lower(std::string_view("\u0130I \u1e9e")) == "i\u0307i \u00df");
  CHECK(python_lower(std::string_view("ΟΔΟΣ Σ ΟΣ. ΣΑ")) == "οδος σ ος. σα");
  CHECK(python_split(std::string_view("a\u3000b\u200bc\x1f"
                                      "d \u0085")) ==
        std::vector<std::string>{"a", "b\u200bc", "d"});
  CHECK(python_int(U" +1_0 ") == "10");
  CHECK(python_int(U"-0") == "0");
  CHECK(python_int(U"٤٢") == "42");
  for (const auto* wrong : {U"", U"_1", U"1_", U"1__0", U"1.0", U"- 1"}) {
    CHECK_FALSE(python_int(wrong).has_value());
  }
  CHECK(python_round(2.675, 2) == 2.67);
  CHECK(python_round(0.125, 2) == 0.12);
  CHECK(numpy_round2(0.285) == 0.28);
}

TEST_CASE("answers that vanish in normalisation score 0, punctuation leaves no gap") {
  CHECK(qa_f1("the", "a") == 0);
  CHECK(exact_match("the", "a") == 1);
  CHECK(normalize_answer("The well-known CAN'T \u201cA\u201d cat") ==
        "wellknown cant \u201c \u201d cat");
  CHECK(qa_f1("can't", "cant") == 1);
}

TEST_CASE("ROUGE of the package: dots, blanks, and the recursion limit") {
  CHECK(package_rouge("...", "a").empty);
  CHECK(longbench_rouge("...", "a", kRougeRecursion).official == 0);
  CHECK(longbench_rouge(" ", "word. ", kRougeRecursion).official > 0);
  CHECK(longbench_rouge("a b", "a b", kRougeRecursion).official == Approx(0.999999995));
  std::string text;
  for (int i = 0; i < 990; ++i) text += "w" + std::to_string(i) + " ";
  const auto deep = longbench_rouge(text, text, kRougeRecursion);
  CHECK_FALSE(deep.overflow);
  const auto deeper = longbench_rouge(text + "x", text + "x", kRougeRecursion);
  CHECK(deeper.overflow);
  CHECK(deeper.official == 0);
  CHECK(deeper.unbounded == Approx(0.999999995));
  CHECK(longbench_rouge(text, text, kRougeChineseRecursion).overflow);
}

TEST_CASE("removal while walking skips the next class") {
  const std::vector<std::string> classes{"a", "b", "ab"};
  // "a" is removed, "b" is skipped and stays, so two classes share the point.
  CHECK(classification_score("ab", "ab", classes) == 0.5);
  CHECK(classification_score("none", "ab", classes) == 0);
}

TEST_CASE("difflib is not symmetric and knows frequent characters") {
  CHECK(difflib_ratio("tide", "diet") == 0.25);
  CHECK(difflib_ratio("diet", "tide") == 0.5);
  CHECK(levenshtein_ratio("tide", "diet") == levenshtein_ratio("diet", "tide"));
  // In 200 characters the many b begin no block, so only what stands at the front is seen.
  CHECK(difflib_ratio("xb", std::string(199, 'b')) > 0);
  CHECK(difflib_ratio("xb", std::string(200, 'b')) == 0);
  CHECK(fuzz_ratio("", "", difflib_ratio) == 1);
  CHECK(fuzz_ratio("", "a", difflib_ratio) == 0);
  CHECK(first_code_line("\n\n# no\n`no`\n  x = 1\ny") == "  x = 1");
  CHECK(first_code_line("// no\n# no").empty());
}

TEST_CASE("stems are NLTK's, not the original algorithm's") {
  CHECK(porter_stem("dying") == "die");
  CHECK(porter_stem("skies") == "sky");
  CHECK(porter_stem("news") == "news");
  CHECK(porter_stem("happy") == "happi");
  CHECK(porter_stem("enjoy") == "enjoy");
  CHECK(porter_stem("").empty());
}

TEST_CASE("letters become ASCII, ideographs words of their own") {
  CHECK(to_ascii("Café Ærø 3½ αβγ Щи ﬁ ٣") == "Cafe AEro 3 1/2 abg Shchi fi 3");
  CHECK(to_ascii("北京") == "u5317 u4eac ");
  CHECK(to_ascii("さくら") == "sakura");
}

TEST_CASE("metrics by name") {
  CHECK(find_metric("rouge_score").version == 1);
  const std::string message =
      test::error_of(ErrorKind::kConfig, [] { find_metric("rouge_scores"); });
  CHECK_THAT(message, Catch::Matchers::Contains("did you mean 'rouge_score'?"));
  const auto& all = scoring_metrics();
  CHECK(all.size() == 44);
  CHECK(std::ranges::adjacent_find(all, {}, &Metric::name) == all.end());
}

TEST_CASE("jieba's files are there and are its own") {
  const test::TempDir folder;
  const Segmenters segmenters(folder.path());
  CHECK_THAT(test::error_of(ErrorKind::kConfig, [&] { segmenters.chinese(); }),
             Catch::Matchers::Contains("./lethe setup"));
  std::filesystem::create_directories(folder / ".deps/jieba");
  write_file_atomically(folder / ".deps/jieba/dict.txt", "word 3 n\n");
  CHECK_THAT(test::error_of(ErrorKind::kData, [&] { segmenters.chinese(); }),
             Catch::Matchers::Contains("dict.txt: expected the file of jieba 0.42.1"));
}

TEST_CASE("damaged dictionaries are refused with their line") {
  const test::TempDir folder;
  const auto refused = [&](const char* dictionary, const char* start, const char* expected) {
    std::filesystem::create_directories(folder / "finalseg");
    write_file_atomically(folder / "dict.txt", dictionary);
    write_file_atomically(folder / "finalseg/prob_start.py", start);
    write_file_atomically(folder / "finalseg/prob_trans.py", "P={'B': {'E': -0.5}}");
    write_file_atomically(folder / "finalseg/prob_emit.py", "P={'B': {'\\u4e00': -3.6}}");
    CHECK_THAT(test::error_of(ErrorKind::kData, [&] { ChineseWords words(folder.path()); }),
               Catch::Matchers::Contains(expected));
  };
  const char* start = "P={'B': -0.2,\n 'E': -3.14e+100}";
  refused("a 1 n\nb x n\n", start, "dict.txt, line 2");
  refused("a 1 n\nb\n", start, "dict.txt, line 2");
  refused("a 1 n\n", "P={'B': -0.2,\n 'E' -3}", "prob_start.py, line 2: expected ':'");
  refused("a 1 n\n", "P={'B': x}", "expected a number");
  refused("a 1 n\n", "P={'X': 1}", "found 'X'");
  refused("a 1 n\n", "nothing", "expected P={");
}

TEST_CASE("a case that lacks something is refused by member") {
  const Segmenters segmenters("");
  const auto refused = [&](const char* metric, const char* text, const char* expected) {
    const auto value = parse_json(text, "case", ErrorKind::kData);
    const auto message = test::error_of(ErrorKind::kData, [&] {
      ScoredCase sample(value, "in.jsonl:3");
      find_metric(metric).score(sample, segmenters);
    });
    CAPTURE(message);
    CHECK_THAT(message, Catch::Matchers::Contains("in.jsonl:3"));
    CHECK_THAT(message, Catch::Matchers::Contains(expected));
  };
  refused("qa_f1_score", R"({"references": ["a"]})", "prediction");
  refused("qa_f1_score", R"({"prediction": "a"})", "references");
  refused("qa_f1_score", R"({"prediction": "a", "references": []})", "an empty one");
  refused("qa_f1_score", R"({"prediction": "a", "references": [3]})", "references[0]");
  refused("classification_score", R"({"prediction": "a", "references": "a"})", "all_classes");
  refused("zeroscrolls_accuracy", R"({"prediction": "a", "references": ["A", "B"]})",
          "expected one text, found 2");
  refused("infinitebench_code_debug", R"({"prediction": "a", "references": ["A"]})", "letter");
  refused("infinitebench_passkey", R"({"prediction": "a", "references": {}})", "an object");
  refused("longbench_dataset_score",
          R"({"task": "qaspr", "predictions": ["a"], "references": [["a"]]})", "qasper");
  refused("longbench_dataset_score",
          R"({"task": "qasper", "predictions": ["a"], "references": [["a"], ["b"]]})",
          "1 predictions");
}

}  // namespace lethe::tasks
