// SPDX-License-Identifier: Apache-2.0
#include "reports/retention_data.h"

#include "harness/base/error.h"
#include "harness/base/json.h"
#include "reports/published.h"

namespace lethe::reports {
namespace {

std::vector<double> numbers(ObjectReader& reader, std::string_view name) {
  std::vector<double> out;
  for (const json::value& item : reader.array(name)) out.push_back(item.to_number<double>());
  return out;
}

std::vector<std::string> texts(ObjectReader& reader, std::string_view name) {
  std::vector<std::string> out;
  for (const json::value& item : reader.array(name)) out.emplace_back(item.as_string());
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

}  // namespace

std::map<std::string, std::vector<RetentionSample>> read_retention(const store::RunStore& store,
                                                                   const Selection& selection) {
  std::map<std::string, std::vector<RetentionSample>> cells;
  const auto found = store.query(outputs_sql(selection));
  for (const auto& row : found.rows) {
    const std::string key(row[0].as_string()), id(row[1].as_string());
    RetentionSample sample =
        sample_of(std::string(row[3].as_string()), "output of sample " + id + " of cell " + key);
    sample.cluster = row[2].as_string();
    cells[key].push_back(std::move(sample));
  }
  return cells;
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

std::vector<double> mean_of(const std::vector<RetentionSample>& samples,
                            std::vector<double> RetentionSample::*member) {
  std::vector<double> means;
  for (const RetentionSample& sample : samples) {
    const auto& values = sample.*member;
    means.resize(std::max(means.size(), values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      means[i] += values[i] / static_cast<double>(samples.size());
    }
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

RetentionClaims read_retention_claims(const std::filesystem::path& path) {
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-retention-claims-1");
  RetentionClaims claims;
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  claims.paper = source.string("paper");
  claims.arxiv = source.string("arxiv");
  claims.published = reader.string("published");
  claims.policy = reader.string("policy");
  claims.fraction = reader.number("fraction_of_length");
  std::size_t index = 0;
  for (const json::value& item : reader.array("claims")) {
    ObjectReader claim(item, reader.where("claims") + "[" + std::to_string(index++) + "]",
                       ErrorKind::kData);
    const RetentionClaims::Statement statement{claim.string("statement"), claim.string("source")};
    const std::string kind = claim.string("kind");
    if (kind == "recency") {
      claims.recency = statement;
      claims.recency_at_least = claim.number("at_least");
      claims.recency_at_most = claim.number("at_most");
    } else if (kind == "first") {
      claims.first = statement;
      claims.first_at_least = claim.number("first_at_least");
      claims.next_at_most = claim.number("next_at_most");
    } else if (kind == "sinks") {
      claims.sinks = statement;
      claims.sink_policies = texts(claim, "policies");
      claims.sink_tolerance_nats = claim.number("tolerance_nats");
    } else if (kind == "tags") {
      claims.tags = statement;
      claims.longer = texts(claim, "longer");
      claims.shorter = texts(claim, "shorter");
    } else {
      throw Error(
          ErrorKind::kData,
          claim.where("kind") + ": expected recency, first, sinks or tags, found '" + kind + "'");
    }
  }
  return claims;
}

}  // namespace lethe::reports
