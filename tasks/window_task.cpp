// SPDX-License-Identifier: Apache-2.0
#include "tasks/window_task.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "tasks/token_counts.h"

namespace lethe::tasks {

namespace {

std::string memo_key(const StreamText& text, const models::Tokenizer& tokenizer) {
  return text.sha256 + "\n" + tokenizer.content_sha256();
}

}  // namespace

WindowTask::WindowTask(std::string name, WindowOptions options, std::int64_t length,
                       std::vector<Stream> streams)
    : name_(std::move(name)),
      where_("task " + name_),
      options_(options),
      length_(at_least(length, 2, where_ + ": length")),
      streams_(std::move(streams)) {
  if (options_.prompt && *options_.prompt >= length_) {
    throw Error(ErrorKind::kConfig, where_ + ": prompt: " + with_thousands(*options_.prompt) +
                                        " tokens leave nothing to score of a window of " +
                                        with_thousands(length_));
  }
}

json::object WindowTask::window_identity() const {
  json::object out{
      {"windows", options_.windows ? json::value(*options_.windows) : json::value("all")},
      {"stride", options_.stride_at(length_)},
      {"start", options_.start},
      {"bos", to_string(options_.bos)},
      {"tail", "drop"}};
  // Left out where there is none: keys of windows without a prompt are older than prompts.
  if (options_.prompt) out["prompt"] = *options_.prompt;
  return out;
}

json::array WindowTask::stream_hashes() const {
  json::array out;
  for (const auto& stream : streams_)
    out.push_back({{"id", stream.name}, {"sha256", stream.sha256}});
  return out;
}

bool WindowTask::has_head_bos(const models::Tokenizer& tokenizer) const {
  return options_.bos == BosRule::kAuto && tokenizer.adds_bos();
}

std::int64_t WindowTask::windows_in(const Stream& stream,
                                    const models::Tokenizer& tokenizer) const {
  std::int64_t tokens = has_head_bos(tokenizer) ? 1 : 0;
  for (const auto& text : stream.texts) tokens += token_count(text, tokenizer);
  const std::int64_t fit = options_.fitting(tokens, length_);
  const std::int64_t wanted = options_.windows.value_or(1);
  if (fit < wanted) {
    throw Error(ErrorKind::kData,
                where_ + ": " + stream.title + " has " + with_thousands(tokens) +
                    " tokens: " + with_thousands(fit) + " windows of " + with_thousands(length_) +
                    " tokens fit (start " + with_thousands(options_.start) + ", stride " +
                    with_thousands(options_.stride_at(length_)) + "), at least " +
                    with_thousands(wanted) +
                    " expected; choose a shorter length, fewer windows or more text");
  }
  return options_.windows.value_or(fit);
}

std::vector<SampleInfo> WindowTask::samples(const models::Tokenizer& tokenizer) const {
  std::vector<SampleInfo> out;
  for (const auto& stream : streams_) {
    const auto count = windows_in(stream, tokenizer);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto first = options_.start + i * options_.stride_at(length_);
      const std::string content = name_ + " window\n" + stream.sha256 + "\n" +
                                  std::to_string(first) + "\n" + std::to_string(length_) + "\n" +
                                  to_string(options_.bos);
      out.push_back({stream.name + "/" + std::to_string(i), sha256_hex(content), stream.name});
    }
  }
  return out;
}

WindowTask::Place WindowTask::place_of(const std::string& sample_id) const {
  const auto parts = split(sample_id, '/');
  const auto index = parts.size() == 2 ? parse_integer(parts[1]) : std::nullopt;
  const auto stream = std::find_if(streams_.begin(), streams_.end(),
                                   [&](const auto& entry) { return entry.name == parts[0]; });
  if (!index || *index < 0 || *index >= options_.windows.value_or(*index + 1) ||
      stream == streams_.end()) {
    throw Error(ErrorKind::kData, where_ + ": there is no sample '" + sample_id + "'; expected " +
                                      streams_.front().name +
                                      "/0 or another of the windows chosen");
  }
  return {*stream, options_.start + *index * options_.stride_at(length_)};
}

std::string WindowTask::read(const StreamText& text) const {
  std::string content = read_text_file(text.path);
  if (sha256_hex(content) != text.sha256) {
    throw Error(ErrorKind::kData, where_ + ": " + text.path.string() +
                                      " changed while the run was going on; run again");
  }
  return content;
}

std::int64_t WindowTask::token_count(const StreamText& text,
                                     const models::Tokenizer& tokenizer) const {
  auto& count = counts_[memo_key(text, tokenizer)];  // 0: not known yet, no text is empty
  if (count == 0) {
    count = remembered_token_count(text.sha256, tokenizer.content_sha256(), [&] {
      return static_cast<std::int64_t>(tokenizer.encode(read(text), false).size());
    });
  }
  return count;
}

const std::vector<std::int64_t>& WindowTask::token_ids(const StreamText& text,
                                                       const models::Tokenizer& tokenizer) const {
  auto& ids = ids_[memo_key(text, tokenizer)];
  if (ids.empty()) {
    auto encoded = tokenizer.encode(read(text), false);
    // A window's place rests on the counts of the texts before it.
    const auto found = static_cast<std::int64_t>(encoded.size());
    if (const auto expected = token_count(text, tokenizer); found != expected) {
      throw Error(ErrorKind::kData, where_ + ": " + text.path.string() + " has " +
                                        with_thousands(found) + " tokens, remembered are " +
                                        with_thousands(expected) + "; delete the folder " +
                                        (user_cache_folder() / "token_counts").string());
    }
    ids = std::move(encoded);
  }
  return ids;
}

std::vector<std::int64_t> WindowTask::window(const std::string& sample_id,
                                             const models::Tokenizer& tokenizer) const {
  const Place place = place_of(sample_id);
  if (options_.bos == BosRule::kWindow && !tokenizer.bos_id()) {
    throw Error(ErrorKind::kConfig, where_ +
                                        ": bos: \"window\" asks for a BOS token, and the model's "
                                        "tokenizer has none; use \"never\" or \"auto\"");
  }
  const std::int64_t end = place.first + options_.text_tokens(length_);
  std::vector<std::int64_t> tokens;
  tokens.reserve(static_cast<std::size_t>(length_));
  if (options_.bos == BosRule::kWindow) tokens.push_back(*tokenizer.bos_id());
  std::int64_t at = 0;  // where the next text begins
  if (has_head_bos(tokenizer)) {
    if (place.first == 0) tokens.push_back(tokenizer.bos_id().value());
    at = 1;
  }
  for (const auto& text : place.stream.texts) {
    const std::int64_t next = at + token_count(text, tokenizer);
    const std::int64_t from = std::max(place.first, at);
    const std::int64_t to = std::min(end, next);
    if (from < to) {
      const auto begin = token_ids(text, tokenizer).begin();
      tokens.insert(tokens.end(), begin + (from - at), begin + (to - at));
    }
    at = next;
  }
  if (at < end) {
    throw Error(ErrorKind::kData, where_ + ": sample " + sample_id + " ends at token " +
                                      with_thousands(end) + ", " + place.stream.title + " has " +
                                      with_thousands(at));
  }
  return tokens;
}

std::int64_t WindowTask::bos_count(const std::string& sample_id,
                                   const models::Tokenizer& tokenizer) const {
  const bool at_head = has_head_bos(tokenizer) && place_of(sample_id).first == 0;
  return at_head || options_.bos == BosRule::kWindow ? 1 : 0;
}

SampleOutcome WindowTask::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                              const models::Model& model, const RunSettings& settings) const {
  const auto tokens = window(sample_id, tokenizer);
  models::EvaluateOptions options = settings.evaluate;
  options.budget = settings.budget;
  options.seed = settings.seed;
  options.schedule.prompt = prompt_tokens();
  // The last row of the prompt predicts the first token after it.
  options.score_from = std::max<std::int64_t>(0, prompt_tokens() - 1);
  auto result = model.evaluate(tokens, settings.policy, options);
  SampleOutcome outcome;
  outcome.tokens_in = static_cast<std::int64_t>(tokens.size());
  outcome.bos_count = bos_count(sample_id, tokenizer);
  outcome.nll = std::move(result.nll);
  outcome.layers = std::move(result.layers);
  outcome.kv_bytes = result.kv_bytes;
  outcome.peak_kv_bytes = result.peak_kv_bytes;
  outcome.seconds = result.seconds;
  outcome.shared_tokens = result.shared_tokens;
  return outcome;
}

}  // namespace lethe::tasks
