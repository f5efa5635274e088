// SPDX-License-Identifier: Apache-2.0
#include "tests/models/smollm2_cases.h"

#include <set>

#include "harness/base/json.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

// Rows of a [layers, n] or [layers, heads, n] array as lists per (layer, head).
template <typename T>
std::map<Recorder::Key, std::vector<T>> per_head(const std::vector<T>& flat,
                                                 const std::vector<std::int64_t>& shape) {
  std::map<Recorder::Key, std::vector<T>> out;
  const std::int64_t heads = shape.size() == 3 ? shape[1] : 1, n = shape.back();
  auto it = flat.begin();
  for (int layer = 0; layer < shape[0]; ++layer) {
    for (int head = 0; head < heads; ++head, it += n) {
      out[{layer, shape.size() == 3 ? head : -1}] = std::vector<T>(it, it + n);
    }
  }
  return out;
}

}  // namespace

const PolicyCases& policies_384() {
  static const PolicyCases loaded = [] {
    PolicyCases out;
    const auto document = read_json_file(golden("policies/smollm2_384.json"), ErrorKind::kData);
    out.ids = json::value_to<std::vector<std::int64_t>>(document.at("input_ids"));
    for (const auto& value : document.at("cases").as_array()) {
      PolicyCase c;
      c.policy = json::value_to<std::string>(value.at("policy"));
      c.budget = value.at("k").as_int64();
      c.mean_nll = value.at("mean_nll").to_number<double>();
      const models::SafetensorsFile file(
          golden("policies/" + json::value_to<std::string>(value.at("file"))));
      c.nll = file.read_f64(c.policy + ".nll");
      c.victims = per_head(file.read_i64(c.policy + ".victims"), file.shape(c.policy + ".victims"));
      c.kept = per_head(file.read_i64(c.policy + ".kept"), file.shape(c.policy + ".kept"));
      if (file.has(c.policy + ".margin_rel")) {
        c.margin_rel =
            per_head(file.read_f64(c.policy + ".margin_rel"), file.shape(c.policy + ".margin_rel"));
      }
      out.cases.push_back(std::move(c));
    }
    return out;
  }();
  return loaded;
}

PolicyCases first_tokens(const PolicyCases& cases, std::int64_t count) {
  PolicyCases out = cases;
  out.ids.resize(static_cast<std::size_t>(count));
  for (PolicyCase& c : out.cases) {
    c.nll.resize(static_cast<std::size_t>(count - 1));
    c.mean_nll = mean(c.nll);
    for (auto& [key, victims] : c.victims) {
      victims.resize(static_cast<std::size_t>(count - c.budget));
      std::set<std::int64_t> kept;
      for (std::int64_t p = 0; p < count; ++p) kept.insert(kept.end(), p);
      for (const std::int64_t victim : victims) kept.erase(victim);
      c.kept[key].assign(kept.begin(), kept.end());
    }
  }
  return out;
}

const PolicyCases& policies_2048() {
  static const PolicyCases loaded = [] {
    PolicyCases out;
    const auto document = read_json_file(golden("policies/smollm2_ppl2048.json"), ErrorKind::kData);
    out.ids = json::value_to<std::vector<std::int64_t>>(document.at("input_ids"));
    const models::SafetensorsFile file(golden("policies/smollm2_ppl2048.safetensors"));
    for (const auto& value : document.at("cases").as_array()) {
      PolicyCase c;
      c.policy = json::value_to<std::string>(value.at("policy"));
      c.budget = value.at("k").as_int64();
      c.mean_nll = value.at("mean_nll").to_number<double>();
      c.nll = file.read_f64(c.policy + ".k" + std::to_string(c.budget) + ".nll");
      out.cases.push_back(std::move(c));
    }
    return out;
  }();
  return loaded;
}

}  // namespace lethe::test
