// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/hard_answers.h"

#include <algorithm>

#include "harness/base/seed.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {

std::vector<HardAnswer> hard_answers(std::size_t bytes) {
  const auto repeated = [bytes](std::string_view piece) {
    std::string text;
    while (text.size() + piece.size() <= bytes) text += piece;
    return text;
  };
  // Words of a vocabulary of `words`, each followed by one of `ends`.
  const auto random = [bytes](std::uint64_t words, std::string_view ends, std::uint64_t seed) {
    RandomStream stream(seed);
    std::string text;
    while (text.size() < bytes) {
      text += "w" + std::to_string(stream.below(words)) + ends[stream.below(ends.size())];
    }
    return text;
  };
  const std::string sentence = "The river of forgetting flows 42% around Paragraph 7, 8 and A.";
  return {{"one word", repeated("a "), repeated("a ")},
          {"one letter", repeated("a"), repeated("a")},
          {"one-word sentences", repeated("a."), repeated("b.a.")},
          {"one-word lines", repeated("a\nb\n"), repeated("b\na\n")},
          {"sentences, all different", random(1'000'000, ".", 1), random(1'000'000, ".", 2)},
          {"words", random(5000, " ", 3), random(5000, " ", 4)},
          {"short sentences", random(300, "    .", 5), random(300, "    .", 6)},
          {"short lines", random(300, "    \n", 7), random(300, "    \n", 8)},
          {"blanks", repeated(" "), sentence},
          {"numbers", repeated("7, 8 "), "Paragraph 7"},
          {"fractions without a sign", repeated("1.1"), "12%"},
          {"an answer with a tail", sentence + repeated(" \u00e9\u4e2d\u03a3.\n"), sentence},
          {"Chinese", repeated("\u6211\u4eec\u5728\u5317\u4eac\u5927\u5b66\u3002"),
           repeated("\u5317\u4eac\u5927\u5b66\u5728\u6211\u4eec")}};
}

json::value as_case(const HardAnswer& answer, const Metric& metric) {
  const auto reads = [&](std::string_view name) {
    return std::ranges::count(metric.reads, name) > 0;
  };
  json::object sample{{"prediction", answer.prediction},
                      {"references", {answer.reference}},
                      {"task", "hotpotqa"},
                      {"question", "Where?"},
                      {"sentence", answer.prediction},
                      {"word", answer.prediction},
                      {"all_classes", {"a", "w1", "river", "b"}}};
  if (reads("predictions")) {
    sample["predictions"] = {answer.prediction};
    sample["references"] = json::array{json::array{json::string(answer.reference)}};
  }
  if (reads("prediction_tokens")) {
    json::array tokens;
    for (const char32_t c : to_code_points(answer.prediction)) {
      tokens.emplace_back(to_utf8(std::u32string_view(&c, 1)));
    }
    sample["reference_tokens"] = json::array{tokens};
    sample["prediction_tokens"] = std::move(tokens);
  }
  if (reads("model_rule")) sample["references"] = {1, 2, 3};
  if (metric.name == "infinitebench_code_debug") sample["references"] = {answer.reference, "A"};
  return sample;
}

}  // namespace lethe::tasks
