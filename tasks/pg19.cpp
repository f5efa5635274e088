// SPDX-License-Identifier: Apache-2.0
#include "tasks/pg19.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "tasks/token_counts.h"

namespace lethe::tasks {

namespace {

constexpr const char* kWhere = "task pg19";

std::string bos_text(BosRule rule) {
  switch (rule) {
    case BosRule::kAuto:
      return "auto";
    case BosRule::kNever:
      return "never";
    case BosRule::kWindow:
      return "window";
  }
  return "auto";
}

BosRule parse_bos(const std::string& text) {
  for (const auto rule : {BosRule::kAuto, BosRule::kNever, BosRule::kWindow}) {
    if (text == bos_text(rule)) return rule;
  }
  const std::array<std::string, 3> known{"auto", "never", "window"};
  throw unknown_name(ErrorKind::kConfig, "bos rule", text, known).add_context(kWhere);
}

std::vector<std::string> parse_books(const json::value& value) {
  if (value.is_string() && value.as_string() == "all") return {};
  if (!value.is_array() || value.as_array().empty()) {
    throw Error(ErrorKind::kConfig, std::string(kWhere) +
                                        ": books: expected \"all\" or a list of ids such as "
                                        "[\"860\", \"10146\"], found " +
                                        json::serialize(value));
  }
  std::vector<std::string> ids;
  for (const auto& entry : value.as_array()) {
    if (entry.is_string()) {
      ids.emplace_back(entry.as_string());
    } else if (entry.is_int64()) {
      ids.push_back(std::to_string(entry.as_int64()));
    } else {
      throw Error(ErrorKind::kConfig,
                  std::string(kWhere) + ": books: expected an id, found " + json::serialize(entry));
    }
    if (std::count(ids.begin(), ids.end(), ids.back()) > 1) {
      throw Error(ErrorKind::kConfig,
                  std::string(kWhere) + ": books: " + ids.back() + " is listed twice");
    }
  }
  return ids;
}

std::int64_t at_least(std::int64_t value, std::int64_t low, const std::string& name) {
  if (value < low) {
    throw Error(ErrorKind::kConfig, std::string(kWhere) + ": " + name +
                                        ": expected an integer of at least " + std::to_string(low) +
                                        ", found " + std::to_string(value));
  }
  return value;
}

}  // namespace

Pg19Options Pg19Options::parse(const json::object& object, const std::filesystem::path& root) {
  const json::value holder(object);
  ObjectReader reader(holder, kWhere, ErrorKind::kConfig);
  Pg19Options options;
  if (const auto* books = reader.find("books")) options.books = parse_books(*books);
  const std::filesystem::path data = reader.string("data", "data/samples/pg19");
  options.data = data.is_relative() && !std::filesystem::is_directory(data) ? root / data : data;
  if (const auto* windows = reader.find("windows")) {
    if (!(windows->is_string() && windows->as_string() == "all")) {
      options.windows = at_least(reader.integer("windows"), 1, "windows");
    }
  }
  if (reader.find("stride")) options.stride = at_least(reader.integer("stride"), 1, "stride");
  options.start = at_least(reader.integer("start", 0), 0, "start");
  options.bos = parse_bos(reader.string("bos", "auto"));
  if (const auto tail = reader.string("tail", "drop"); tail != "drop") {
    throw Error(ErrorKind::kConfig,
                std::string(kWhere) + ": tail: expected \"drop\", found \"" + tail + "\"");
  }
  reader.finish();
  return options;
}

Pg19Task::Pg19Task(Pg19Options options, std::int64_t length)
    : options_(std::move(options)), length_(length), books_(options_.data) {
  at_least(length, 2, "length");
  for (const auto& id : options_.books.empty() ? books_.ids() : options_.books) {
    chosen_.push_back({id, books_.read(id).sha256});
  }
}

json::object Pg19Task::identity() const {
  json::array books;
  for (const auto& book : chosen_) books.push_back({{"id", book.id}, {"sha256", book.sha256}});
  json::object out;
  out["version"] = kVersion;
  out["books"] = std::move(books);
  out["windows"] = options_.windows ? json::value(*options_.windows) : json::value("all");
  out["stride"] = stride();
  out["start"] = options_.start;
  out["bos"] = bos_text(options_.bos);
  out["tail"] = "drop";
  return out;
}

std::int64_t Pg19Task::text_tokens() const {
  return options_.bos == BosRule::kWindow ? length_ - 1 : length_;
}

std::int64_t Pg19Task::stride() const {
  return options_.stride.value_or(text_tokens());
}

std::int64_t Pg19Task::stream_length(const Chosen& book, const models::Tokenizer& tokenizer,
                                     const std::string& tokenizer_sha256) const {
  const auto count = remembered_token_count(book.sha256, tokenizer_sha256, [&] {
    return static_cast<std::int64_t>(tokenizer.encode(books_.read(book.id).text, false).size());
  });
  const bool head = options_.bos == BosRule::kAuto && tokenizer.adds_bos();
  return count + (head ? 1 : 0);
}

std::int64_t Pg19Task::windows_in(const std::string& book, std::int64_t stream) const {
  const std::int64_t room = stream - options_.start - text_tokens();
  const std::int64_t fit = room < 0 ? 0 : room / stride() + 1;
  const std::int64_t wanted = options_.windows.value_or(1);
  if (fit < wanted) {
    throw Error(ErrorKind::kData,
                std::string(kWhere) + ": book " + book + " has " + with_thousands(stream) +
                    " tokens: " + with_thousands(fit) + " windows of " + with_thousands(length_) +
                    " tokens fit (start " + with_thousands(options_.start) + ", stride " +
                    with_thousands(stride()) + "), at least " + with_thousands(wanted) +
                    " expected; choose a shorter length, fewer windows or another book");
  }
  return options_.windows.value_or(fit);
}

std::vector<SampleInfo> Pg19Task::samples(const models::Tokenizer& tokenizer) const {
  const std::string tokenizer_sha256 = tokenizer.content_sha256();
  std::vector<SampleInfo> out;
  for (const auto& book : chosen_) {
    const auto count = windows_in(book.id, stream_length(book, tokenizer, tokenizer_sha256));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto first = options_.start + i * stride();
      const std::string content = "pg19 window\n" + book.sha256 + "\n" + std::to_string(first) +
                                  "\n" + std::to_string(length_) + "\n" + bos_text(options_.bos);
      out.push_back({book.id + "/" + std::to_string(i), sha256_hex(content), book.id});
    }
  }
  return out;
}

Pg19Task::Place Pg19Task::place_of(const std::string& sample_id) const {
  const auto parts = split(sample_id, '/');
  const auto index = parts.size() == 2 ? parse_integer(parts[1]) : std::nullopt;
  const bool known =
      index && *index >= 0 && *index < options_.windows.value_or(*index + 1) &&
      std::any_of(chosen_.begin(), chosen_.end(), [&](auto& book) { return book.id == parts[0]; });
  if (!known) {
    throw Error(ErrorKind::kData, std::string(kWhere) + ": there is no sample '" + sample_id +
                                      "'; expected BOOK/WINDOW of the books and windows chosen");
  }
  return {parts[0], options_.start + *index * stride()};
}

const std::vector<std::int64_t>& Pg19Task::stream(const std::string& book,
                                                  const models::Tokenizer& tokenizer) const {
  auto& ids = streams_[book + "\n" + tokenizer.content_sha256()];
  if (ids.empty()) {
    const Book content = books_.read(book);
    const auto chosen =
        std::find_if(chosen_.begin(), chosen_.end(), [&](auto& entry) { return entry.id == book; });
    if (content.sha256 != chosen->sha256) {
      throw Error(ErrorKind::kData, std::string(kWhere) + ": book " + book +
                                        " changed while the run was going on; run again");
    }
    ids = tokenizer.encode(content.text, false);
    if (options_.bos == BosRule::kAuto && tokenizer.adds_bos()) {
      ids.insert(ids.begin(), tokenizer.bos_id().value());
    }
  }
  return ids;
}

std::vector<std::int64_t> Pg19Task::window(const std::string& sample_id,
                                           const models::Tokenizer& tokenizer) const {
  const Place place = place_of(sample_id);
  if (options_.bos == BosRule::kWindow && !tokenizer.bos_id()) {
    throw Error(ErrorKind::kConfig, std::string(kWhere) +
                                        ": bos: \"window\" asks for a BOS token, and the model's "
                                        "tokenizer has none; use \"never\" or \"auto\"");
  }
  const auto& ids = stream(place.book, tokenizer);
  if (place.first + text_tokens() > static_cast<std::int64_t>(ids.size())) {
    throw Error(ErrorKind::kData,
                std::string(kWhere) + ": sample " + sample_id + " ends at token " +
                    with_thousands(place.first + text_tokens()) + ", book " + place.book + " has " +
                    with_thousands(static_cast<std::int64_t>(ids.size())));
  }
  std::vector<std::int64_t> tokens;
  tokens.reserve(static_cast<std::size_t>(length_));
  if (options_.bos == BosRule::kWindow) tokens.push_back(*tokenizer.bos_id());
  const auto begin = ids.begin() + place.first;
  tokens.insert(tokens.end(), begin, begin + text_tokens());
  return tokens;
}

SampleOutcome Pg19Task::run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                            const models::Model& model, const RunSettings& settings) const {
  const auto tokens = window(sample_id, tokenizer);
  const bool head_bos =
      options_.bos == BosRule::kAuto && tokenizer.adds_bos() && place_of(sample_id).first == 0;
  models::EvaluateOptions options = settings.evaluate;
  options.budget = settings.budget;
  options.seed = settings.seed;
  auto result = model.evaluate(tokens, settings.policy, options);
  SampleOutcome outcome;
  outcome.tokens_in = static_cast<std::int64_t>(tokens.size());
  outcome.bos_count = head_bos || options_.bos == BosRule::kWindow ? 1 : 0;
  outcome.nll = std::move(result.nll);
  outcome.layers = std::move(result.layers);
  outcome.kv_bytes = result.kv_bytes;
  outcome.peak_kv_bytes = result.peak_kv_bytes;
  outcome.seconds = result.seconds;
  outcome.shared_tokens = result.shared_tokens;
  return outcome;
}

}  // namespace lethe::tasks
