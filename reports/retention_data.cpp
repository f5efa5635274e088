// SPDX-License-Identifier: Apache-2.0
#include "reports/retention_data.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe::reports {
namespace {

std::vector<std::optional<double>> numbers(ObjectReader& reader, std::string_view name) {
  std::vector<std::optional<double>> out;
  for (const json::value& item : reader.array(name)) {
    out.push_back(item.is_null() ? std::nullopt : std::optional(item.to_number<double>()));
  }
  return out;
}

RetentionSample sample_of(const std::string& output, const std::string& where) {
  const json::value value = parse_json(output, where, ErrorKind::kStore);
  ObjectReader reader(value, where, ErrorKind::kStore);
  RetentionSample sample;
  if (!reader.at("recency_share").is_null()) {
    sample.recency_share = reader.number("recency_share");
  }
  sample.layers = numbers(reader, "layers");
  sample.first = numbers(reader, "first");
  for (const auto& [tag, entry] : reader.at("tags").as_object()) {
    ObjectReader of_tag(entry, where + ": tags", ErrorKind::kStore);
    sample.tags[tag] = {of_tag.integer("tokens"), of_tag.number("mean_lifetime")};
  }
  return sample;
}

/// From the outputs of a panel, with the items of one of their members where it is named.
std::string of_outputs(const std::string& member, const Selection& selection,
                       const Settings& settings) {
  return "FROM samples" +
         (member.empty() ? "" : ", json_each(output, " + sql_quote(member) + ") AS item") +
         "\nWHERE output <> '' AND schedule = " + sql_quote(settings.schedule) +
         " AND positions = " + sql_quote(settings.positions) + " AND " +
         condition_sql(selection, settings) + "\n";
}

}  // namespace

RetentionOutputs read_retention(const store::RunStore& store, const Selection& selection) {
  RetentionOutputs cells;
  const auto found = store.query("SELECT cell_key, sample_id, cluster, output FROM samples\n" +
                                 std::string("WHERE output <> '' AND task = ") +
                                 sql_quote(kRetentionTask) + " AND cell_key IN (" +
                                 cell_keys_sql(selection) + ")\nORDER BY cell_key, sample_id");
  for (const auto& row : found.rows) {
    const std::string key(row[0].as_string()), id(row[1].as_string());
    RetentionSample sample =
        sample_of(std::string(row[3].as_string()), "output of sample " + id + " of cell " + key);
    sample.cluster = row[2].as_string();
    cells[key].push_back(std::move(sample));
  }
  return cells;
}

const std::vector<RetentionSample>& samples_of(const Panel& panel, const RetentionOutputs& outputs,
                                               std::string_view policy, std::int64_t budget) {
  static const std::vector<RetentionSample> kNone;
  const CellResult* cell = panel.find(policy, budget);
  const auto found = cell && cell->usable() ? outputs.find(cell->key) : outputs.end();
  return found == outputs.end() ? kNone : found->second;
}

std::optional<Estimate> recency_of(const std::vector<RetentionSample>& samples) {
  std::vector<double> values;
  std::vector<std::string> clusters;
  for (const RetentionSample& sample : samples) {
    if (!sample.recency_share) continue;
    values.push_back(*sample.recency_share);
    clusters.push_back(sample.cluster);
  }
  if (values.empty()) return std::nullopt;
  return clustered_mean(values, clusters);
}

std::vector<std::optional<double>> mean_of(
    const std::vector<RetentionSample>& samples,
    std::vector<std::optional<double>> RetentionSample::*member) {
  std::vector<double> sums, counts;
  for (const RetentionSample& sample : samples) {
    const auto& values = sample.*member;
    sums.resize(std::max(sums.size(), values.size()));
    counts.resize(sums.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      sums[i] += values[i].value_or(0);
      counts[i] += values[i] ? 1 : 0;
    }
  }
  std::vector<std::optional<double>> means(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (counts[i] > 0) means[i] = sums[i] / counts[i];
  }
  return means;
}

std::map<std::string, TagLifetime> tags_of(const std::vector<RetentionSample>& samples) {
  std::map<std::string, TagLifetime> all;
  for (const RetentionSample& sample : samples) {
    for (const auto& [tag, found] : sample.tags) {
      TagLifetime& sum = all[tag];
      sum.tokens += found.tokens;
      sum.mean += found.mean * static_cast<double>(found.tokens);
    }
  }
  for (auto& [tag, sum] : all) sum.mean /= static_cast<double>(sum.tokens);
  return all;
}

std::optional<double> mean_of_tags(const std::map<std::string, TagLifetime>& tags,
                                   const std::vector<std::string>& group) {
  double sum = 0;
  std::int64_t tokens = 0;
  for (const std::string& tag : group) {
    const auto found = tags.find(tag);
    if (found == tags.end()) continue;
    sum += found->second.mean * static_cast<double>(found->second.tokens);
    tokens += found->second.tokens;
  }
  if (tokens == 0) return std::nullopt;
  return sum / static_cast<double>(tokens);
}

std::optional<Estimate> difference_of_groups(const std::vector<RetentionSample>& samples,
                                             const std::vector<std::string>& group,
                                             const std::vector<std::string>& other) {
  std::vector<double> values;
  std::vector<std::string> clusters;
  for (const RetentionSample& sample : samples) {
    const auto a = mean_of_tags(sample.tags, group);
    const auto b = mean_of_tags(sample.tags, other);
    if (!a || !b) continue;
    values.push_back(*a - *b);
    clusters.push_back(sample.cluster);
  }
  if (values.empty()) return std::nullopt;
  return clustered_mean(values, clusters);
}

std::string recency_sql(const Selection& selection, const Settings& settings) {
  return "SELECT policy, budget, avg(json_extract(output, '$.recency_share')) AS recency_share, "
         "count(*) AS samples\n" +
         of_outputs("", selection, settings) + "GROUP BY cell_key ORDER BY policy, budget";
}

std::string first_positions_sql(const Selection& selection, const Settings& settings) {
  return "SELECT policy, budget, item.key AS position, avg(item.value) AS mean_lifetime\n" +
         of_outputs("$.first", selection, settings) +
         "GROUP BY cell_key, item.key ORDER BY policy, budget, item.key";
}

std::string tag_lifetimes_sql(const Selection& selection, const Settings& settings) {
  return "SELECT policy, budget, item.key AS tag, sum(json_extract(item.value, '$.tokens')) AS "
         "tokens,\n       sum(json_extract(item.value, '$.tokens') * json_extract(item.value, "
         "'$.mean_lifetime'))\n         / sum(json_extract(item.value, '$.tokens')) AS "
         "mean_lifetime\n" +
         of_outputs("$.tags", selection, settings) +
         "GROUP BY cell_key, item.key ORDER BY policy, budget, mean_lifetime DESC";
}

}  // namespace lethe::reports
