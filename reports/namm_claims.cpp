// SPDX-License-Identifier: Apache-2.0
#include "reports/namm_claims.h"

#include <algorithm>
#include <array>

#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

/// In the order of their names in parse_kind().
constexpr std::array<NammClaimKind, 4> kKinds{NammClaimKind::kBeats, NammClaimKind::kKeeps,
                                              NammClaimKind::kSmaller, NammClaimKind::kRises};

NammClaimKind parse_kind(const std::string& text, const std::string& where) {
  static const std::vector<std::string> known{"beats", "keeps", "smaller", "rises"};
  const auto at = std::find(known.begin(), known.end(), text);
  if (at == known.end()) {
    throw unknown_name(ErrorKind::kData, where + ": claim kind", text, known);
  }
  return kKinds[static_cast<std::size_t>(at - known.begin())];
}

NammClaim read_claim(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  NammClaim claim;
  claim.id = reader.string("id");
  claim.kind = parse_kind(reader.string("kind"), reader.where("kind"));
  claim.statement = reader.string("statement");
  claim.source = reader.string("source");
  if (claim.kind == NammClaimKind::kBeats) claim.other = reader.string("other");
  if (claim.kind == NammClaimKind::kRises) claim.other = reader.string("start");
  if (claim.kind == NammClaimKind::kSmaller) claim.share = reader.number("share_at_most");
  reader.finish();
  return claim;
}

}  // namespace

bool NammClaims::synthetic(const NammPanel& panel) const {
  return std::find(synthetic_tasks.begin(), synthetic_tasks.end(), panel.settings.task) !=
         synthetic_tasks.end();
}

bool NammClaims::of_benchmark(const NammPanel& panel) const {
  return panel.settings.task.starts_with(benchmark_tasks);
}

std::string NammClaims::label(const NammMethod& method) const {
  if (!method.namm()) return policy_label(policies, method.policy);
  const Spec spec = Spec::parse(method.policy, ErrorKind::kStore);
  std::string label = policy_label(policies, method.name);
  if (const std::string* weights = spec.find("weights")) label += " " + *weights;
  for (const auto& [key, value] : spec.options) {
    if (key == "weights" || (key == "cap" && value != "true")) continue;
    label += ", " + (key == "cap" ? "capped" : key + "=" + value);
  }
  return label;
}

std::string NammClaims::whole_label(const NammMethod& method) const {
  return label(method) + (method.budget ? " " + with_thousands(*method.budget) : "") + ", " +
         method.schedule;
}

std::string NammClaims::place(const NammPanel& panel) const {
  return panel.settings.task + ", " + with_thousands(panel.settings.length) + " tokens, model " +
         panel.settings.model;
}

NammClaims read_namm_claims(const std::filesystem::path& folder) {
  const auto path = folder / "claims-namm.json";
  const json::value file = read_json_file(path, ErrorKind::kData);
  ObjectReader reader(file, path.filename().string(), ErrorKind::kData);
  expect_schema(reader, "lethe-namm-claims-1");
  const auto table = [&](const std::string& id) { return read_published(folder / (id + ".json")); };
  NammClaims claims;
  reader.string("id");
  reader.string("title");
  ObjectReader source(reader.at("source"), reader.where("source"), ErrorKind::kData);
  claims.paper = source.string("paper");
  claims.arxiv = source.string("arxiv");
  claims.aggregate = table(reader.string("aggregate"));
  claims.base = table(reader.string("base"));
  for (const std::string& id : read_texts(reader, "reference_tables")) {
    claims.references.push_back(table(id));
  }
  claims.benchmark_tasks = reader.string("benchmark_tasks");
  claims.paper_models = read_texts(reader, "paper_models");
  claims.synthetic_tasks = read_texts(reader, "synthetic_tasks");
  claims.mechanism = reader.string("mechanism");
  claims.policies = read_policy_names(reader);
  ObjectReader rules(reader.at("rules"), reader.where("rules"), ErrorKind::kData);
  claims.least_base = rules.number("least_base_points");
  claims.equal_within = rules.number("equal_memory_within");
  claims.alpha = rules.number("alpha");
  claims.seeds = static_cast<std::size_t>(rules.integer("seeds_at_least"));
  rules.finish();
  for (const json::value& item : reader.array("claims")) {
    claims.claims.push_back(read_claim(
        item, reader.where("claims") + "[" + std::to_string(claims.claims.size()) + "]"));
  }
  reader.finish();
  return claims;
}

std::string NammClaimOutcome::statement() const {
  const bool natural = std::any_of(checks.begin(), checks.end(), [](const NamedCheck& check) {
    return check.verdict == Verdict::kReproduced && !check.mechanism;
  });
  const bool alone = verdict() == Verdict::kReproduced && !natural;
  return (alone ? "As a mechanism: " : "") + claim.statement;
}

}  // namespace lethe::reports
