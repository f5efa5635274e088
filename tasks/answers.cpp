// SPDX-License-Identifier: Apache-2.0
#include "tasks/answers.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "models/engine/generate.h"
#include "models/tokenizer/text_stream.h"
#include "tasks/answer_prompt.h"
#include "tasks/answer_score.h"
#include "tasks/datasets/dataset_files.h"
#include "tasks/datasets/record_file.h"
#include "tasks/window_options.h"

namespace lethe::tasks {

namespace {

namespace fs = std::filesystem;

/// A path of a suite: as it stands, else below the root.
fs::path existing(const fs::path& path, const fs::path& root) {
  return path.is_absolute() || fs::exists(path) ? path : root / path;
}

fs::path data_file(const AnswerDeclaration& task, const AnswerOptions& options,
                   const fs::path& root) {
  if (options.data == "dataset") {
    if (task.dataset.empty()) {
      throw Error(ErrorKind::kConfig, "task " + task.name +
                                          ": its declaration names no data set; give the task "
                                          "\"data\": the folder that holds " +
                                          task.file);
    }
    const auto catalogue = read_catalogue(root / "data" / "datasets.json");
    return dataset_file(find_dataset(catalogue, task.dataset), task.file, data_folders({}));
  }
  if (options.data == "sample") {
    if (!task.sample) {
      throw Error(ErrorKind::kConfig, "task " + task.name +
                                          ": no records ship with Lethe; use \"data\": \"dataset\" "
                                          "(./lethe fetch " +
                                          task.dataset + ") or a folder");
    }
    return root / *task.sample;
  }
  // The folder of the data set, or the one that its files lie in.
  const fs::path folder = existing(options.data, root);
  const fs::path name = fs::path(task.file).filename();
  for (const auto& path : {folder / task.file, folder / name}) {
    for (const auto* packed : {"", ".xz", ".gz"}) {
      if (fs::path file = path.string() + packed; fs::is_regular_file(file)) return file;
    }
    // A member of an archive: "data.zip/data/x.jsonl".
    for (auto archive = path.parent_path(); archive != folder && archive.has_relative_path();
         archive = archive.parent_path()) {
      if (fs::is_regular_file(archive)) return path;
    }
  }
  throw Error(ErrorKind::kData, "task " + task.name + ": expected " + task.file + " or " +
                                    name.string() + " (or either with .xz or .gz) in " +
                                    folder.string() + ", found neither");
}

std::string blank_free(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; });
  return out;
}

/// An id that ends an answer although it is no end of text.
std::optional<std::int64_t> last_token(const std::string& text,
                                       const models::Tokenizer& tokenizer) {
  if (text.empty()) return std::nullopt;
  const auto tokens = tokenizer.encode(text, false);
  if (tokens.empty()) return std::nullopt;
  return tokens.back();
}

bool cuts_input_to_budget(const RunSettings& settings) {
  return settings.policy.text == "truncate";
}

}  // namespace

AnswerOptions AnswerOptions::parse(const std::string& name, const json::object& object,
                                   const fs::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, "task " + name, ErrorKind::kConfig);
  AnswerOptions options;
  options.declaration = reader.has("file") ? existing(reader.string("file"), root)
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
      data_file_(data_file(declaration_, options_, root)) {
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
  SampleOutcome outcome;
  run_all({&sample_id, 1}, tokenizer, model, settings,
          {[] { return false; }, [](const std::string&) { return nullptr; },
           [&](const std::string&, SampleOutcome found) { outcome = std::move(found); }});
  return outcome;
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
  const auto full = policies::known_policies().resolve("full");
  const std::int64_t limit = input_cut ? std::min(room_, settings.budget.value()) : room_;
  const bool cut_first = options_.ask_after_cut && !input_cut;
  auto end_ids = tokenizer.eos_ids();
  if (const auto id = last_token(declaration_.end_token_of, tokenizer)) end_ids.push_back(*id);

  // Samples whose prompt cannot be made fail the cell, after all others have been answered.
  std::vector<std::string> failures;
  std::vector<const AnswerRecord*> asked;
  std::vector<AnswerPrompt> prompts;
  std::vector<std::unique_ptr<models::TextStream>> streams;
  std::vector<models::GenerateRequest> requests;
  std::vector<std::string> texts(sample_ids.size());             // written to where they stand
  std::map<std::string, std::optional<std::int64_t>> documents;  // by cluster
  for (const auto& sample_id : sample_ids) {
    const auto& sample = record(sample_id);
    models::GenerateRequest request;
    request.schedule = settings.evaluate.schedule;
    try {
      std::optional<std::int64_t> most;
      if (cut_first) {
        // All questions about a document meet the same part of it.
        if (!documents.contains(sample.cluster)) {
          documents[sample.cluster] =
              shortest_document(sample, limit, tokenizer, settings.chat_template);
        }
        most = documents[sample.cluster];
      }
      auto prompt = make_answer_prompt(declaration_, sample, limit, /*strictly=*/input_cut,
                                       tokenizer, settings.chat_template, most);
      if (cut_first) {
        request.schedule.prompt = tokens_before_question(declaration_, sample, prompt, tokenizer);
      }
      prompts.push_back(std::move(prompt));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
      failures.emplace_back(error.what());
      continue;
    }
    streams.push_back(
        std::make_unique<models::TextStream>(tokenizer, declaration_.stops, /*skip_special=*/true));
    request.prompt = prompts.back().tokens;
    request.policy = input_cut ? &full : &settings.policy;
    if (!input_cut) request.budget = settings.budget;
    request.policy_seed = settings.seed;
    request.max_new = declaration_.max_new;
    request.min_new = declaration_.min_new;
    request.end_ids = end_ids;
    request.accept = [&text = texts[asked.size()], stream = streams.back().get()](std::int64_t id) {
      text += stream->push(id);
      return !stream->stopped();
    };
    asked.push_back(&sample);
    requests.push_back(std::move(request));
  }

  models::GenerateOptions options;
  options.lanes = options_.lanes;
  options.drawable_ids = tokenizer.vocab_size();
  options.kv_type = settings.evaluate.kv_type;
  options.rope_angles = settings.evaluate.rope_angles;
  options.prefixes = settings.evaluate.prefixes;
  options.progress = settings.evaluate.progress;
  options.should_stop = settings.evaluate.should_stop;
  options.last_sample = hooks.stop_requested;
  model.generate(requests, options, [&](std::size_t index, models::GenerateResult result) {
    const auto& prompt = prompts[index];
    // Without stops the tokens are decoded as a whole, as the benchmarks' own programs do.
    const std::string text = declaration_.stops.empty()
                                 ? tokenizer.decode_text(result.ids, /*skip_special=*/true)
                                 : models::printable_utf8(texts[index] + streams[index]->finish());
    auto answer = score_answer(declaration_, *asked[index], text, root_);
    answer.output["stop"] = models::to_string(result.reason);
    answer.output["prompt_sha256"] = sha256_hex(prompt.text);
    answer.output["cut"] = nullptr;
    SampleOutcome outcome;
    if (prompt.cut) {
      answer.output["cut"] = {{"from", prompt.cut->from}, {"tokens", prompt.cut->tokens}};
      outcome.tokens_cut = prompt.cut->tokens;
    }
    outcome.output = json::serialize(answer.output);
    outcome.score = answer.score;
    outcome.tokens_in = static_cast<std::int64_t>(prompt.tokens.size());
    outcome.bos_count = prompt.bos_count;
    outcome.new_tokens = static_cast<std::int64_t>(result.ids.size());
    outcome.prefill_seconds = result.prefill_seconds;
    outcome.decode_seconds = result.decode_seconds;
    outcome.seconds = result.prefill_seconds + result.decode_seconds;
    outcome.shared_tokens = result.shared_tokens;
    outcome.layers = std::move(result.layers);
    outcome.kv_bytes = result.kv_bytes;
    outcome.peak_kv_bytes = result.peak_kv_bytes;
    hooks.done(asked[index]->id, std::move(outcome));
  });
  if (!failures.empty() && !hooks.stop_requested()) {
    throw Error(ErrorKind::kData, with_thousands(static_cast<std::int64_t>(failures.size())) +
                                      " of " +
                                      with_thousands(static_cast<std::int64_t>(sample_ids.size())) +
                                      " samples have no prompt: " + failures.front());
  }
}

std::optional<double> AnswerTask::rescore(const std::string& output, const fs::path& root) {
  return rescore_answer(output, root);
}

}  // namespace lethe::tasks
