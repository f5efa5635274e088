// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/longbench.h"

#include <algorithm>
#include <numeric>

#include "harness/base/error.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

double share_equal(const std::vector<std::u32string_view>& numbers, std::u32string_view truth) {
  if (numbers.empty()) return 0;
  return static_cast<double>(std::ranges::count(numbers, truth)) /
         static_cast<double>(numbers.size());
}

}  // namespace

std::string_view first_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text.substr(0, text.find('\n'));
}

std::string_view longbench_answer(std::string_view prediction, std::string_view task) {
  for (const std::string_view few_shot : {"trec", "triviaqa", "samsum", "lsht"}) {
    if (task == few_shot) return first_line(prediction);
  }
  return prediction;
}

double classification_score(std::string_view prediction, std::string_view reference,
                            const std::vector<std::string>& classes) {
  std::vector<std::string_view> found;
  for (const auto& name : classes) {
    if (prediction.find(name) != std::string_view::npos) found.push_back(name);
  }
  for (std::size_t at = 0; at < found.size(); ++at) {
    const auto term = found[at];
    if (term == reference || reference.find(term) == std::string_view::npos) continue;
    // list.remove() takes the first that is equal.
    found.erase(std::ranges::find(found, term));
  }
  const auto times = std::ranges::count(found, reference);
  return times > 0 ? 1.0 / static_cast<double>(found.size()) : 0;
}

std::optional<double> number_share(std::string_view prediction, std::string_view reference,
                                   std::string_view marker) {
  const std::u32string truth = to_code_points(reference);
  const std::u32string mark = to_code_points(marker);
  std::u32string_view rest = truth;
  std::u32string_view number;
  for (auto at = rest.find(mark); at != std::u32string_view::npos && number.empty();
       at = rest.find(mark)) {
    rest.remove_prefix(at + mark.size());
    const auto end = std::ranges::find_if_not(rest, is_python_digit);
    number = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  }
  if (number.empty()) return std::nullopt;
  const std::u32string answer = to_code_points(prediction);
  return share_equal(digit_runs(answer), number);
}

double count_score(std::string_view prediction, std::string_view reference) {
  const std::u32string answer = to_code_points(prediction);
  return share_equal(digit_runs(answer), to_code_points(reference));
}

double longbench_dataset_score(std::span<const double> scores) {
  if (scores.empty()) {
    throw Error(ErrorKind::kData, "dataset score: no samples, expected at least one");
  }
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  return python_round(100 * sum / static_cast<double>(scores.size()), 2);
}

LongBenchBuckets longbench_e_scores(std::span<const double> scores,
                                    std::span<const double> lengths) {
  LETHE_ASSERT(scores.size() == lengths.size(), "one length per score");
  double sums[3] = {};
  std::size_t counts[3] = {};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const int bucket = lengths[i] < 4000 ? 0 : lengths[i] < 8000 ? 1 : 2;
    sums[bucket] += scores[i];
    ++counts[bucket];
  }
  const auto value = [&](int bucket) -> std::optional<double> {
    if (counts[bucket] == 0) return std::nullopt;
    // numpy.mean first, then the factor.
    return numpy_round2(100 * (sums[bucket] / static_cast<double>(counts[bucket])));
  };
  return {value(0), value(1), value(2)};
}

}  // namespace lethe::tasks
