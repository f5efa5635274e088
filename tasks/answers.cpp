// SPDX-License-Identifier: Apache-2.0
#include "tasks/answers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "tasks/answer_prompt.h"
#include "tasks/answer_run.h"
#include "tasks/answer_score.h"
#include "tasks/datasets/record_file.h"
#include "tasks/run_one.h"
#include "tasks/task_files.h"
#include "tasks/window_options.h"

namespace lethe::tasks {

namespace {

namespace fs = std::filesystem;

std::string blank_free(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; });
  return out;
}

}  // namespace

AnswerOptions AnswerOptions::parse(const std::string& name, const json::object& object,
                                   const fs::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task " + name, ErrorKind::kConfig);
  AnswerOptions options;
  options.declaration = reader.has("file") ? look_for(reader.string("file"), root)
                                           : root / "data" / "tasks" / (name + ".json");
  options.data = reader.string("data", options.data);
  if (const auto* records = reader.find("records")) {
    if (!records->is_string() || records->get_string() != "all") {
      options.records = at_least(reader.integer("records"), 1, reader.where("records"));
    }
  }
  options.lanes = at_least(reader.integer("lanes", options.lanes), 1, reader.where("lanes"));
  options.ask_after_cut = reader.boolean("ask_after_cut", false);
  reader.finish();
  return options;
}

AnswerTask::AnswerTask(AnswerDeclaration declaration, AnswerOptions options, std::int64_t length,
                       const fs::path& root)
    : declaration_(std::move(declaration)),
      options_(std::move(options)),
      length_(at_least(length, 2, "task " + declaration_.name + ": length")),
      room_(length_ - (declaration_.reserve_answer ? declaration_.max_new : 0)),
      root_(root),
      data_file_(task_data_file(
          {declaration_.name, declaration_.dataset, declaration_.file, declaration_.sample},
          options_.data, root)) {
  if (options_.ask_after_cut && declaration_.cut == CutRule::kMiddle) {
    throw Error(ErrorKind::kConfig, "task " + declaration_.name +
                                        ": ask_after_cut needs a document that is cut at its end "
                                        "(\"cut\": \"document-end\"); a middle may lie in the "
                                        "question");
  }
  if (room_ < 2) {
    throw Error(ErrorKind::kConfig,
                "task " + declaration_.name + ": length " + with_thousands(length_) +
                    " leaves no prompt beside an answer of up to " +
                    with_thousands(declaration_.max_new) + " tokens; choose a longer one");
  }
  std::set<std::string> ids;
  std::size_t number = 0;
  read_records(data_file_, [&](const json::object& object, const std::string& where) {
    for (auto& sample : declaration_.records.samples(json::value(object), number, where)) {
      if (blank_free(sample.fields.at(declaration_.document)).empty()) {
        throw Error(ErrorKind::kData, where + ": " + declaration_.document +
                                          ": expected a document, found nothing but blanks");
      }
      if (!ids.insert(sample.id).second) {
        throw Error(ErrorKind::kData, where + ": the id '" + sample.id + "' is there twice");
      }
      records_.push_back(std::move(sample));
    }
    ++number;
  });
  if (records_.empty()) {
    throw Error(ErrorKind::kData, data_file_.string() + ": expected records, found none");
  }
  const auto wanted = static_cast<std::size_t>(options_.records.value_or(0));
  if (wanted > records_.size()) {
    throw Error(ErrorKind::kConfig, "task " + declaration_.name + ": records: expected at most " +
                                        with_thousands(static_cast<std::int64_t>(records_.size())) +
                                        ", as many as " + data_file_.string() + " has, found " +
                                        with_thousands(*options_.records));
  }
  if (wanted > 0) records_.resize(wanted);
  check_segmenters(declaration_, root);
}

json::object AnswerTask::identity() const {
  json::array metrics;
  for (const auto& use : declaration_.metrics) {
    metrics.push_back({{"name", use.name}, {"version", find_metric(use.name).version}});
  }
  json::object out{{"kind", "answers"},
                   {"version", kVersion},
                   {"title", declaration_.title},
                   {"benchmark", declaration_.benchmark},
                   {"group", declaration_.group},
                   {"declaration_sha256", sha256_hex(declaration_.content)},
                   {"records_sha256", records_sha256()},
                   {"records", records_.size()},
                   {"sample", options_.data == "sample"},
                   {"metrics", std::move(metrics)},
                   {"aggregate", to_string(declaration_.aggregate)},
                   {"truncation", to_string(declaration_.cut)},
                   {"max_new", declaration_.max_new},
                   {"chat", declaration_.chat},
                   {"ask_after_cut", options_.ask_after_cut},
                   {"sanity", nullptr}};
  // How to make the task again. Where a user's own folder lies is no part of what was computed.
  json::object options{{"ask_after_cut", options_.ask_after_cut}};
  if (options_.data == "sample") options["data"] = options_.data;
  if (options_.records) options["records"] = *options_.records;
  out["options"] = std::move(options);
  if (const auto& band = declaration_.sanity) {
    out["sanity"] = {{"least", band->least}, {"most", band->most}};
  }
  return out;
}

std::string AnswerTask::records_sha256() const {
  Sha256 sum;
  for (const auto& record : records_) sum.update(content_hash(record));
  return sum.hex();
}

std::string AnswerTask::content_hash(const AnswerRecord& record) const {
  // With the id: benchmarks ask some questions twice, and score them twice.
  const json::object content{
      {"id", record.id},
      {"prompt", filled_prompt(declaration_, record)},
      {"references", json::array(record.references.begin(), record.references.end())},
      {"classes", json::array(record.classes.begin(), record.classes.end())},
      {"words", record.words ? json::value(*record.words) : json::value(nullptr)}};
  return sha256_hex("answer\n" + canonical_json(content));
}

std::vector<SampleInfo> AnswerTask::samples(const models::Tokenizer&) const {
  std::vector<SampleInfo> out;
  for (const auto& record : records_) {
    out.push_back({record.id, content_hash(record), record.cluster});
  }
  return out;
}

const AnswerRecord& AnswerTask::record(const std::string& id) const {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& record) { return record.id == id; });
  if (found != records_.end()) return *found;
  throw Error(ErrorKind::kData, "task " + declaration_.name + ": there is no sample '" + id +
                                    "' in " + data_file_.string());
}

SampleOutcome AnswerTask::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                              const models::Model& model, const RunSettings& settings) const {
  return run_one(*this, sample_id, tokenizer, model, settings);
}

std::optional<std::int64_t> AnswerTask::shortest_document(const AnswerRecord& sample,
                                                          std::int64_t limit,
                                                          const models::Tokenizer& tokenizer,
                                                          const models::ChatTemplate* chat) const {
  std::optional<std::int64_t> shortest;
  for (const auto& other : records_) {
    if (other.cluster != sample.cluster) continue;
    const auto prompt =
        make_answer_prompt(declaration_, other, limit, /*strictly=*/false, tokenizer, chat);
    if (prompt.document_kept) {
      shortest = std::min(shortest.value_or(*prompt.document_kept), *prompt.document_kept);
    }
  }
  return shortest;
}

void AnswerTask::run_all(std::span<const std::string> sample_ids,
                         const models::Tokenizer& tokenizer, const models::Model& model,
                         const RunSettings& settings, const SampleHooks& hooks) const {
  const bool input_cut = cuts_input_to_budget(settings);
  const std::int64_t limit = input_cut ? std::min(room_, settings.budget.value()) : room_;
  const bool cut_first = options_.ask_after_cut && !input_cut;
  std::map<std::string, std::optional<std::int64_t>> documents;  // by cluster
  const auto ask = [&](const std::string& id) {
    const auto& sample = record(id);
    std::optional<std::int64_t> most;
    if (cut_first) {
      // All questions about a document meet the same part of it.
      if (!documents.contains(sample.cluster)) {
        documents[sample.cluster] =
            shortest_document(sample, limit, tokenizer, settings.chat_template);
      }
      most = documents[sample.cluster];
    }
    AskedAnswer asked;
    asked.record = sample;
    asked.record.fields.clear();
    asked.prompt = make_answer_prompt(declaration_, sample, limit, /*strictly=*/input_cut,
                                      tokenizer, settings.chat_template, most);
    if (cut_first) {
      asked.cut_after = tokens_before_question(declaration_, sample, asked.prompt, tokenizer);
    }
    return asked;
  };
  answer_samples({declaration_, tokenizer, model, settings, options_.lanes, root_}, sample_ids, ask,
                 hooks);
}

std::optional<double> AnswerTask::rescore(const std::string& output, const fs::path& root) {
  return rescore_answer(output, root);
}

}  // namespace lethe::tasks
