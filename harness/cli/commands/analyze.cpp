// SPDX-License-Identifier: Apache-2.0
// lethe analyze: what a trace says about which tokens were kept.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/models.h"
#include "harness/cli/output.h"
#include "harness/cli/trace_reader.h"
#include "models/tokenizer/tokenizer.h"
#include "reports/document.h"
#include "reports/kept_text.h"
#include "tasks/datasets/word_tags.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

struct Lifetime {
  double sum = 0;
  std::int64_t tokens = 0;
};

std::string header_text(const Trace& trace, const char* name) {
  const json::value* found = trace.header.if_contains(name);
  if (found == nullptr || found->is_null()) return "none";
  return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

/// Text of every token. A character that is split over tokens stands in the last of them.
std::vector<std::string> pieces_of(const Trace& trace, const models::Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  std::string waiting;
  for (const std::int64_t id : trace.ids) {
    waiting += tokenizer.decode({id}, /*skip_special=*/false);
    const bool whole = !first_invalid_utf8(waiting);
    pieces.push_back(whole || waiting.size() > 8 ? models::printable_utf8(waiting) : "");
    if (whole || waiting.size() > 8) waiting.clear();
  }
  return pieces;
}

/// Tags of the tokens of a trace whose text begins the tagged one.
std::vector<std::string> tags_of(const Trace& trace, const models::Tokenizer& tokenizer,
                                 const std::string& file) {
  const auto words = tasks::read_word_tags(file);
  const json::value* bos = trace.header.if_contains("bos_added");
  std::vector<std::string> tags;
  std::size_t at = 0;
  for (std::size_t i = 0; i < trace.ids.size(); ++i) {
    const bool added = i == 0 && bos != nullptr && bos->is_bool() && bos->get_bool();
    const std::string bytes = added ? "" : tokenizer.decode({trace.ids[i]}, false);
    tags.push_back(tasks::tag_of_token(words, at, bytes));
    at += bytes.size();
  }
  return tags;
}

double mean_lifetime(const Trace& trace, std::int64_t position) {
  double sum = 0;
  for (const auto& [place, lives] : trace.places) {
    sum += static_cast<double>(lives.lifetime(position));
  }
  return sum / static_cast<double>(trace.places.size());
}

std::optional<double> recency_share(const Trace& trace) {
  if (!trace.budget()) return std::nullopt;
  double sum = 0;
  std::int64_t places = 0;
  for (const auto& [place, lives] : trace.places) {
    const auto share = lives.recency_share(*trace.budget());
    if (!share) continue;
    sum += *share;
    ++places;
  }
  if (places == 0) return std::nullopt;
  return sum / static_cast<double>(places);
}

reports::KeptText kept_text(const Trace& trace, std::vector<std::string> pieces,
                            const std::vector<std::string>& tags) {
  reports::KeptText text;
  text.pieces = std::move(pieces);
  for (std::size_t i = 0; i < trace.ids.size(); ++i) {
    std::string facts = "id " + std::to_string(trace.ids[i]);
    if (i > 0 && trace.nll[i - 1]) facts += ", NLL " + fixed(*trace.nll[i - 1], 2);
    if (!tags.empty() && !tags[i].empty()) facts += ", " + tags[i];
    text.tooltips.push_back(std::move(facts));
  }
  for (const auto& [place, lives] : trace.places) {
    reports::KeptPlace entry;
    entry.name = "layer " + std::to_string(place.first);
    if (place.second >= 0) entry.name += ", head " + std::to_string(place.second);
    for (std::int64_t p = 0; p < lives.tokens(); ++p)
      entry.last_steps.push_back(lives.last_step(p));
    text.places.push_back(std::move(entry));
  }
  return text;
}

/// Which places the drawn map shows: those of the layers asked for, or four spread over the depth.
std::vector<std::size_t> mapped_places(const Options& options, const Trace& trace) {
  std::vector<std::size_t> places;
  if (const auto given = options.find("layers")) {
    const int last = trace.places.rbegin()->first.first;
    for (const auto& part : split(*given, ',')) {
      const auto layer = parse_integer(part);
      std::size_t place = 0, found = places.size();
      for (const auto& [at, lives] : trace.places) {
        if (layer && at.first == *layer) places.push_back(place);
        ++place;
      }
      if (places.size() == found) {
        throw Error(ErrorKind::kUsage, "--layers: expected numbers from 0 to " +
                                           std::to_string(last) + ", found '" + part + "'");
      }
    }
    return places;
  }
  const std::size_t count = trace.places.size();
  const std::size_t shown = std::min<std::size_t>(4, count);
  for (std::size_t i = 0; i < shown; ++i) {
    places.push_back(shown == 1 ? 0 : i * (count - 1) / (shown - 1));
  }
  return places;
}

reports::Table lifetimes_table(const Trace& trace, const reports::KeptText& text,
                               const std::vector<std::string>& tags) {
  reports::Table table;
  table.columns = {{"position"}, {"id"}, {"text"}, {"tag"}, {"mean_lifetime"}, {"share"}};
  for (std::size_t i = 0; i < trace.ids.size(); ++i) {
    table.add_row({std::to_string(i), std::to_string(trace.ids[i]), text.pieces[i],
                   tags.empty() ? "" : tags[i],
                   fixed(mean_lifetime(trace, static_cast<std::int64_t>(i)), 2),
                   fixed(reports::kept_share(text, i), 4)});
  }
  return table;
}

reports::Table tags_table(const Trace& trace, const std::vector<std::string>& tags) {
  std::map<std::string, Lifetime> by_tag;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    if (tags[i].empty()) continue;
    Lifetime& lifetime = by_tag[tags[i]];
    lifetime.sum += mean_lifetime(trace, static_cast<std::int64_t>(i));
    ++lifetime.tokens;
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [tag, lifetime] : by_tag) {
    order.emplace_back(-lifetime.sum / static_cast<double>(lifetime.tokens), tag);
  }
  std::sort(order.begin(), order.end());
  reports::Table table;
  table.caption = "Mean steps that a token stays, by part of speech";
  table.columns = {
      {"tag"}, {"tokens", reports::Align::kRight}, {"mean steps", reports::Align::kRight}};
  for (const auto& [negated, tag] : order) {
    table.add_row({tag, with_thousands(by_tag[tag].tokens), fixed(-negated, 0)});
  }
  return table;
}

int run(const Options& options) {
  const std::string name = options.text("TRACE");
  Trace trace = [&] {
    if (name == "-") return read_trace(std::cin, "standard input");
    std::ifstream file(name);
    if (!file) throw Error(ErrorKind::kData, name + ": cannot be opened for reading");
    return read_trace(file, name);
  }();
  if (trace.places.empty()) {
    throw Error(ErrorKind::kData, name + ": says of no layer what was kept");
  }
  const auto tokenizer =
      models::open_tokenizer(tokenizer_path(options.text("model", header_text(trace, "model"))));
  std::vector<std::string> tags;
  if (options.has("tags")) tags = tags_of(trace, *tokenizer, options.text("tags"));
  const reports::KeptText text = kept_text(trace, pieces_of(trace, *tokenizer), tags);
  const auto places = mapped_places(options, trace);
  const fs::path folder = options.text("out", "analysis");
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec) throw Error(ErrorKind::kStore, folder.string() + ": " + ec.message());

  const auto share = recency_share(trace);
  double mean = 0;
  for (std::int64_t p = 0; p < static_cast<std::int64_t>(trace.ids.size()); ++p) {
    mean += mean_lifetime(trace, p) / static_cast<double>(trace.ids.size());
  }
  const std::string share_text = share ? fixed(100 * *share, 1) + " %" : "none left";
  reports::Document document;
  document.title = "What " + header_text(trace, "policy") + " keeps";
  document.subtitle = "One text, token by token: how long each stays in the cache.";
  document.blocks.push_back(
      reports::Facts{{{"Model", header_text(trace, "model")},
                      {"Policy", header_text(trace, "policy")},
                      {"Budget", header_text(trace, "budget")},
                      {"Schedule", header_text(trace, "schedule")},
                      {"Positions", header_text(trace, "positions")},
                      {"Tokens", with_thousands(static_cast<std::int64_t>(trace.ids.size()))},
                      {"Recent among the kept", share_text},
                      {"Mean steps kept", fixed(mean, 1)}}});
  document.blocks.push_back(reports::Html{reports::kept_text_html(text)});
  if (!tags.empty())
    document.blocks.push_back(reports::TableBlock{"tags", tags_table(trace, tags)});
  document.footer.items = {
      {"Trace", "`" + name + "`, engine version " + header_text(trace, "engine_version")},
      {"Written by",
       "lethe " + version().version + ", commit " + version().git_commit.substr(0, 12)}};
  write_file_atomically(folder / "index.html", reports::to_html_page(document));
  write_file_atomically(folder / "lifetimes.csv",
                        reports::to_csv(lifetimes_table(trace, text, tags)));
  std::vector<fs::path> files = {folder / "index.html", folder / "lifetimes.csv"};
  if (!options.has("no-plots")) {
    for (auto& path : reports::draw_kept_map(text, places, "kept-map", folder)) {
      files.push_back(std::move(path));
    }
  }
  if (options.has("json")) {
    json::array written;
    for (const auto& file : files) written.push_back(json::value(file.string()));
    print_json({{"tokens", trace.ids.size()},
                {"places", trace.places.size()},
                {"recency_share", share ? json::value(*share) : json::value()},
                {"mean_lifetime", mean},
                {"files", std::move(written)}});
    return kExitOk;
  }
  std::cout << trace.ids.size() << " tokens, " << trace.places.size()
            << " layers or heads; recent among the kept: " << share_text << "; a token stays "
            << fixed(mean, 1) << " steps\n";
  for (const auto& file : files) std::cout << "wrote " << file.string() << '\n';
  return kExitOk;
}

}  // namespace

Command analyze_command() {
  CommandSpec spec;
  spec.name = "analyze";
  spec.summary = "which tokens a policy kept, from a trace: a coloured text, maps, lifetimes";
  spec.description =
      "TRACE is what `lethe trace` wrote; - is standard input. Writes a page with the text, each\n"
      "token coloured by how long it stayed (of all layers, or of one), the map of what was kept\n"
      "when, drawn maps of some layers, and a table of lifetimes. The suite tova-analysis has the\n"
      "same numbers over many texts.";
  spec.arguments = {{"TRACE"}};
  spec.options = {{"out", "DIR", "folder, created when missing (default analysis)"},
                  {"model", "MODEL", "whose tokenizer (default: the trace's model)"},
                  {"tags", "FILE", "tags of words (begin, end, tag; see data/samples/pg19-tags)"},
                  {"layers", "N,…",
                   "of the drawn map, with all their heads (default: four, spread over the depth)"},
                  {"no-plots", "", "leave out what gnuplot draws"},
                  {"json", "", "print the numbers and the files as JSON"}};
  spec.examples = {
      {"what TOVA keeps with 16 places",
       "printf 'In the beginning the river was wide, and those who drank of it forgot the way.' | "
       "lethe trace --model smollm2-135m --text - --policy tova --budget 16 --out trace.jsonl && "
       "lethe analyze trace.jsonl --out analysis"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
