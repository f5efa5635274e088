// SPDX-License-Identifier: Apache-2.0
#include "reports/rmt_claims.h"

#include <algorithm>
#include <array>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe::reports {
namespace {

/// In the order of their names in parse_kind().
constexpr std::array<RmtClaimKind, 7> kKinds{
    RmtClaimKind::kHeld,     RmtClaimKind::kOrder,  RmtClaimKind::kBeyond, RmtClaimKind::kFlat,
    RmtClaimKind::kControls, RmtClaimKind::kMemory, RmtClaimKind::kCost};

RmtClaimKind parse_kind(const std::string& text, const std::string& where) {
  static const std::vector<std::string> known{"held",     "order",  "beyond", "flat",
                                              "controls", "memory", "cost"};
  const auto at = std::find(known.begin(), known.end(), text);
  if (at == known.end()) {
    throw unknown_name(ErrorKind::kData, where + ": claim kind", text, known);
  }
  return kKinds[static_cast<std::size_t>(at - known.begin())];
}

RmtClaim read_claim(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  RmtClaim claim;
  claim.id = reader.string("id");
  claim.kind = parse_kind(reader.string("kind"), reader.where("kind"));
  claim.statement = reader.string("statement");
  claim.source = reader.string("source");
  switch (claim.kind) {
    case RmtClaimKind::kHeld:
      claim.tasks = {reader.string("task")};
      claim.segments = reader.integer("segments");
      claim.bound = reader.number("at_least");
      break;
    case RmtClaimKind::kOrder:
      claim.tasks = read_texts(reader, "tasks");
      claim.segments = reader.integer("segments");
      break;
    case RmtClaimKind::kBeyond:
      claim.trained_segments = reader.integer("trained_segments");
      break;
    case RmtClaimKind::kFlat:
      claim.trained_segments = reader.integer("trained_at_least");
      claim.segments = reader.integer("segments");
      claim.bound = reader.number("within_points");
      break;
    case RmtClaimKind::kControls:
      claim.bound = reader.number("alpha");
      break;
    case RmtClaimKind::kMemory:
      claim.resident_bound = reader.number("resident_at_most");
      [[fallthrough]];
    case RmtClaimKind::kCost:
      claim.from = reader.integer("from");
      claim.segments = reader.integer("segments");
      claim.bound = reader.number("at_most");
      break;
  }
  reader.finish();
  return claim;
}

}  // namespace

std::string RmtClaims::label(std::string_view task) const {
  const auto at = std::find_if(tasks.begin(), tasks.end(),
                               [&](const Task& known) { return known.task == task; });
  return at == tasks.end() ? std::string(task) : at->label;
}

bool RmtClaims::synthetic(const RmtCondition& condition) const {
  return std::find(synthetic_noise.begin(), synthetic_noise.end(), condition.noise) !=
         synthetic_noise.end();
}

const PublishedValue* RmtClaims::published(std::string_view task,
                                           std::optional<std::int64_t> trained,
                                           std::optional<std::int64_t> segments) const {
  const auto name = std::find_if(tasks.begin(), tasks.end(),
                                 [&](const Task& known) { return known.task == task; });
  if (name == tasks.end() || !trained || !segments) return nullptr;
  // Where both figures have a point, the long evaluation is the one that is reproduced.
  for (const PublishedTable* table : {&long_evaluation, &train_evaluation}) {
    for (const PublishedValue& value : table->values) {
      if (value.task == name->published && value.train_segments == trained &&
          value.segments == segments && value.metric.empty()) {
        return &value;
      }
    }
  }
  return nullptr;
}

RmtClaims read_rmt_claims(const std::filesystem::path& folder) {
  const auto path = folder / "claims-rmt.json";
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-rmt-claims-1");
  const auto table = [&](const std::string& id) { return read_published(folder / (id + ".json")); };
  RmtClaims claims;
  reader.string("id");
  reader.string("title");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  claims.paper = source.string("paper");
  claims.arxiv = source.string("arxiv");
  claims.long_evaluation = table(reader.string("long_evaluation"));
  claims.train_evaluation = table(reader.string("train_evaluation"));
  for (const std::string& id : read_texts(reader, "reference_tables")) {
    claims.references.push_back(table(id));
  }
  for (const json::value& item : reader.array("tasks")) {
    ObjectReader entry(item, reader.where("tasks"), ErrorKind::kData);
    claims.tasks.push_back(
        {entry.string("task"), entry.string("published"), entry.string("label")});
    entry.finish();
  }
  claims.synthetic_noise = read_texts(reader, "synthetic_noise");
  claims.mechanism = reader.string("mechanism");
  claims.deviations = read_texts(reader, "deviations");
  ObjectReader rules(reader.at("rules"), reader.where("rules"), ErrorKind::kData);
  claims.trained_at_most = rules.integer("trained_at_most");
  claims.samples_at_least = rules.integer("samples_at_least");
  claims.seeds_at_least = rules.integer("seeds_at_least");
  rules.finish();
  for (const json::value& item : reader.array("claims")) {
    claims.claims.push_back(read_claim(
        item, reader.where("claims") + "[" + std::to_string(claims.claims.size()) + "]"));
  }
  reader.finish();
  return claims;
}

std::string RmtClaimOutcome::statement() const {
  const bool alone = mechanism && verdict() == Verdict::kReproduced;
  return (alone ? "As a mechanism: " : "") + claim.statement;
}

}  // namespace lethe::reports
