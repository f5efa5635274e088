// SPDX-License-Identifier: Apache-2.0
// A case of any metric. The first byte chooses the metric; then stands a JSON object as lethe score
// reads it, or a prediction, references and classes with 0xFF between them.
#include "tasks/metrics/metric.h"
#include "tests/fuzz/fuzz_support.h"

#include <cmath>
#include <utility>

#include "harness/base/text.h"

namespace {

using namespace lethe;

/// Chinese words where ./lethe setup was run; fuzzing happens in the root of the repository.
const tasks::Segmenters& segmenters() {
  static const tasks::Segmenters kSegmenters(".");
  return kSegmenters;
}

/// Whether the words that the metric needs are at hand; MeCab is not fuzzed.
bool can_score(const tasks::Metric& metric, const json::value& value) {
  static const bool kChinese = std::filesystem::exists(".deps/jieba/dict.txt");
  if (metric.words == tasks::WordsNeeded::kChinese) return kChinese;
  const auto* object = value.if_object();
  return metric.words == tasks::WordsNeeded::kNone || object == nullptr ||
         (object->contains("prediction_tokens") && object->contains("reference_tokens"));
}

/// The text up to its first byte that is no UTF-8.
json::string valid_part(std::string_view bytes) {
  return json::string(bytes.substr(0, first_invalid_utf8(bytes).value_or(bytes.size())));
}

json::value case_of_parts(std::string_view bytes) {
  json::array parts;
  for (const auto& part : split(bytes, '\xff')) parts.emplace_back(valid_part(part));
  json::array references(parts.begin() + 1, parts.end());
  if (references.empty()) references.push_back(parts.front());
  return {{"prediction", parts.front()},   {"predictions", {parts.front()}},
          {"references", references},      {"all_classes", references},
          {"question", references.back()}, {"task", "qasper"},
          {"prediction_tokens", parts},    {"reference_tokens", {references}},
          {"sentence", parts.front()},     {"word", parts.front()}};
}

void check(const json::value& value, const tasks::Scored& scored) {
  if (scored.score &&
      !(std::isfinite(*scored.score) && *scored.score >= 0 && *scored.score <= 100.0001)) {
    std::abort();
  }
  if (const auto* words = scored.more.if_contains("tokens_hmm")) {
    std::string joined;
    for (const auto& word : words->as_array()) joined += word.as_string();
    if (joined != value.at("sentence").as_string()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const auto& metrics = tasks::scoring_metrics();
  const auto& metric = metrics[bytes[0] % metrics.size()];
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  test::expect_errors(ErrorKind::kData, [&] {
    const json::value value =
        rest.starts_with('{') ? parse_json(rest, "case", ErrorKind::kData) : case_of_parts(rest);
    if (!can_score(metric, value)) return;
    tasks::ScoredCase sample(value, "case");
    check(value, metric.score(sample, segmenters()));
  });
  return 0;
}
