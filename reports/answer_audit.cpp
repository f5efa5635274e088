// SPDX-License-Identifier: Apache-2.0
#include "reports/answer_audit.h"

#include <algorithm>
#include <map>
#include <set>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "reports/answer_tables.h"
#include "reports/numbers.h"

namespace lethe::reports {
namespace {

constexpr const char* kDash = "–";
constexpr std::size_t kShownId = 16;
constexpr std::size_t kShown = 140;      // code points of an answer in its cell
constexpr std::size_t kPointedAt = 400;  // and when one points at it

/// Length in bytes of the UTF-8 sequence that begins with `first`.
std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xE0) return 2;
  return first < 0xF0 ? 3 : 4;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(static_cast<unsigned char>(text[at]));
    out.push_back(text.substr(at, length));
    at += length;
  }
  return out;
}

std::map<std::string, std::size_t> pairs_of(std::string_view text) {
  std::map<std::string, std::size_t> pairs;
  std::string before;
  for (const std::string_view character : characters(text)) {
    std::string now(character);
    if (now.size() == 1 && now[0] >= 'A' && now[0] <= 'Z') now[0] = static_cast<char>(now[0] + 32);
    if (!before.empty()) ++pairs[before + now];
    before = std::move(now);
  }
  return pairs;
}

double likeness(std::string_view a, std::string_view b) {
  if (a == b) return 1;
  const auto own = pairs_of(a);
  const auto other = pairs_of(b);
  std::size_t shared = 0;
  std::size_t all = 0;
  for (const auto& [pair, count] : own) {
    all += count;
    if (const auto at = other.find(pair); at != other.end()) shared += std::min(count, at->second);
  }
  for (const auto& [pair, count] : other) all += count;
  return all == 0 ? 0 : 2.0 * static_cast<double>(shared) / static_cast<double>(all);
}

std::string optional_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "";
}

TableCell text_cell(const std::string& text) {
  TableCell cell{.text = visible_text(text, kShown), .literal = true};
  if (std::string whole = visible_text(text, kPointedAt); whole != cell.text) {
    cell.whole = std::move(whole);
  }
  return cell;
}

TableCell answer_cell(const AnswerText& answer) {
  if (answer.answer.empty()) {
    TableCell cell{.text = "nothing", .notes = {}, .tone = Tone::kMuted};
    if (!answer.text.empty()) cell.whole = "written: " + visible_text(answer.text, kPointedAt);
    return cell;
  }
  return text_cell(answer.answer);
}

TableCell score_cell(Table& table, const AnswerText& answer) {
  if (answer.score) return {.text = fixed(100 * *answer.score, 2)};
  return {.text = kDash,
          .notes = {table.note("The owner's program raises: " +
                               (answer.raises.empty() ? "no reason was recorded" : answer.raises))},
          .tone = Tone::kMuted};
}

TableCell cut_cell(const AnswerText& answer) {
  if (answer.tokens_cut == 0) return {.text = "0"};
  TableCell cell{.text = with_thousands(answer.tokens_cut)};
  if (answer.cut_from) cell.detail = "from " + with_thousands(*answer.cut_from);
  return cell;
}

/// Answers of one task to its first samples, the columns of a sample below each other.
Table answers_table(const store::RunStore& store, const AnswerPanel& panel, std::size_t task,
                    const TaskClaims& claims, std::size_t samples) {
  Table table;
  table.caption = panel.title(task) + " (" + panel.tasks[task].metric + ")";
  table.header_columns = 2;
  table.columns = {{"Sample"},
                   {"Policy"},
                   {"Score", Align::kRight},
                   {"Answer"},
                   {"Reference"},
                   {"Stop"},
                   {"Tokens in", Align::kRight},
                   {"Cut", Align::kRight},
                   {"BOS", Align::kRight}};
  table.note(
      "Answer: what was scored. Reference: of several, the one most like the answer; the score "
      "counts the best by the metric's own rule. Cut: tokens of the prompt, and the index of the "
      "first. BOS: begin-of-sequence tokens that the model read. Long texts are shortened: point "
      "at them, or see the CSV file.");
  std::map<std::string, std::vector<std::pair<std::size_t, AnswerText>>> by_sample;
  for (std::size_t column = 0; column < panel.columns.size(); ++column) {
    const AnswerCell* cell = panel.find(task, column);
    if (!cell) continue;
    for (AnswerText& answer : read_answer_texts(store, cell->key, samples)) {
      by_sample[answer.sample_id].emplace_back(column, std::move(answer));
    }
  }
  for (const auto& [id, answers] : by_sample) {
    if (samples-- == 0) break;
    for (const auto& [column, answer] : answers) {
      TableCell reference = answer.references.empty()
                                ? TableCell{.text = kDash}
                                : text_cell(nearest_reference(answer.answer, answer.references));
      if (answer.references.size() > 1) {
        reference.detail = "1 of " + std::to_string(answer.references.size());
      }
      table.add_row(std::vector<TableCell>{
          {.text = column == answers.front().first ? visible_text(id, kShownId) : "",
           .whole = characters(id).size() > kShownId ? visible_text(id, kPointedAt) : "",
           .literal = true},
          {.text = claims.label(panel.columns[column])},
          score_cell(table, answer),
          answer_cell(answer),
          std::move(reference),
          {.text = answer.stop},
          {.text = with_thousands(answer.tokens_in)},
          cut_cell(answer),
          {.text = std::to_string(answer.bos_count)}});
    }
  }
  return table;
}

}  // namespace

const std::string& nearest_reference(const std::string& answer,
                                     const std::vector<std::string>& references) {
  std::size_t best = 0;
  double most = -1;
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (const double found = likeness(answer, references[i]); found > most) {
      most = found;
      best = i;
    }
  }
  return references.at(best);
}

std::string visible_text(std::string_view text, std::size_t limit) {
  std::string out;
  std::size_t count = 0;
  for (const std::string_view character : characters(text)) {
    if (count++ == limit) return out + "…";
    const auto first = static_cast<unsigned char>(character[0]);
    if (first == '\n') {
      out += "⏎ ";
    } else if (first < 0x20) {
      out += {static_cast<char>(0xE2), static_cast<char>(0x90), static_cast<char>(0x80 + first)};
    } else if (first == 0x7F) {
      out += "␡";
    } else if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") {
      out += "\xEF\xBF\xBD";  // no characters of XML
    } else {
      out += character;
    }
  }
  return out;
}

std::string answers_csv(const store::RunStore& store, std::span<const AnswerPanel> panels) {
  Table head;
  for (const char* name : {"benchmark",  "task",   "sample",    "policy",     "budget",
                           "model",      "length", "schedule",  "positions",  "dtype",
                           "kv_dtype",   "seed",   "tokens_in", "tokens_cut", "cut_from",
                           "bos_count",  "stop",   "score",     "answer",     "nearest_reference",
                           "references", "text",   "words",     "raises",     "prompt_sha256",
                           "cell_key"}) {
    head.columns.push_back({name});
  }
  std::string csv = to_csv(head);
  std::set<std::string> written;
  for (const AnswerPanel& panel : panels) {
    const Settings& s = panel.settings;
    for (const AnswerCell& cell : panel.cells) {
      // The full cache may stand in several panels.
      if (!written.insert(cell.key).second) continue;
      const AnswerColumn& column = panel.columns[cell.column];
      Table rows;
      rows.columns = head.columns;
      for (AnswerText& answer : read_answer_texts(store, cell.key)) {
        const json::array references(answer.references.begin(), answer.references.end());
        rows.add_row(std::vector<std::string>{
            panel.benchmark,
            panel.tasks[cell.task].name,
            answer.sample_id,
            column.policy,
            optional_text(column.budget),
            s.model,
            std::to_string(s.length),
            s.schedule,
            s.positions,
            s.dtype,
            s.kv_dtype,
            std::to_string(s.seed),
            std::to_string(answer.tokens_in),
            std::to_string(answer.tokens_cut),
            optional_text(answer.cut_from),
            std::to_string(answer.bos_count),
            answer.stop,
            answer.score ? exact_text(*answer.score) : "",
            answer.answer,
            answer.references.empty() ? "" : nearest_reference(answer.answer, answer.references),
            json::serialize(references),
            std::move(answer.text),
            optional_text(answer.words),
            answer.raises,
            answer.prompt_sha256,
            cell.key});
      }
      csv += csv_rows(rows);
    }
  }
  return csv;
}

Document answers_document(const store::RunStore& store, std::span<const AnswerPanel> panels,
                          const TaskClaims& claims, bool csv) {
  std::size_t cells = 0;
  std::size_t most = 0;  // answers of a cell
  std::size_t answers = 0;
  for (const AnswerPanel& panel : panels) {
    cells += panel.cells.size();
    for (const AnswerCell& cell : panel.cells) {
      answers += cell.samples.size();
      most = std::max(most, cell.samples.size());
    }
  }
  const std::size_t samples =
      std::max<std::size_t>(1, kAnswersOnPage / std::max<std::size_t>(1, cells));
  Document document;
  document.title = "Answers";
  document.subtitle = "What was read, cut, written and scored, sample by sample.";
  document.blocks.push_back(Paragraph{
      counted(answers, "answer") +
      (most <= samples
           ? std::string(", all of which stand here")
           : ", of which the first " + counted(samples, "sample") + " of every task stand here") +
      (csv ? "; all of them, with whole texts, are in `answers.csv`." : ".")});
  document.blocks.push_back(
      Html{"<p><a href=\"index.html\">Back to the report</a>" +
           std::string(csv ? " · <a href=\"answers.csv\">answers.csv</a>" : "") + "</p>\n"});
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const AnswerPanel& panel = panels[i];
    document.blocks.push_back(Heading{2, panel_name(panel)});
    for (std::size_t task = 0; task < panel.tasks.size(); ++task) {
      Table table = answers_table(store, panel, task, claims, samples);
      if (table.rows.empty()) continue;
      std::string line = panel.tasks[task].group;
      line += (line.empty() ? "" : ": ") + panel.title(task);
      document.blocks.push_back(
          TableBlock{"answers-" + std::to_string(i + 1) + "-" + std::to_string(task + 1),
                     std::move(table), std::move(line)});
    }
    document.blocks.push_back(folded_query("The query behind these answers", answers_sql(panel)));
  }
  return document;
}

}  // namespace lethe::reports
