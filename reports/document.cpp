// SPDX-License-Identifier: Apache-2.0
#include "reports/document.h"

#include <string_view>

namespace lethe::reports {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --paper: #fff; --raised: #f6f7f9; --ink: #1d2127; --soft: #59616d;
  --line: #d9dde3; --accent: #00508a; --good: #0b6b43; --good-back: #e2f3ea; --bad: #9c2f00;
  --bad-back: #fdebe2; --plain-back: #eaecf0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --raised: #1c2026; --ink: #e4e7eb;
  --soft: #a2aab5; --line: #343a43; --accent: #7cc0f5; --good: #7fd8ab; --good-back: #12352a;
  --bad: #ffab85; --bad-back: #43200f; --plain-back: #2a3038; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 1200px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .7rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { max-width: 80ch; margin: .6rem 0; }
.subtitle { color: var(--soft); font-size: 1.05rem; margin: 0; }
a { color: var(--accent); }
code, pre { font: .88em/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 12px;
  overflow-x: auto; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 10px 20px;
  margin: 1rem 0; padding: 14px 18px; background: var(--raised); border-radius: 8px; }
dt { color: var(--soft); font-size: .78rem; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
ul.verdicts { list-style: none; margin: 1rem 0; padding: 0; }
ul.verdicts li { display: grid; grid-template-columns: 9.2rem 1fr; gap: 0 14px; padding: 8px 0;
  border-bottom: 1px solid var(--line); }
ul.verdicts small { color: var(--soft); grid-column: 2; font-size: .85rem; }
.badge { justify-self: start; align-self: start; font-size: .8rem; font-weight: 600; border-radius: 4px;
  padding: 2px 8px; background: var(--plain-back); white-space: nowrap; }
.badge.good { color: var(--good); background: var(--good-back); }
.badge.bad { color: var(--bad); background: var(--bad-back); }
.scroll { overflow-x: auto; margin: 1.2rem 0 .4rem; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 8px; font-size: .95rem;
  white-space: nowrap; }
th, td { padding: 5px 8px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 1.5px solid var(--soft); font-weight: 600; vertical-align: bottom; }
thead th.group { text-align: center; border-bottom: 1px solid var(--line); font-size: .82rem;
  color: var(--soft); max-width: 440px; }
tbody th { font-weight: 600; white-space: nowrap; }
tbody tr:hover { background: var(--raised); }
.num { text-align: right; white-space: nowrap; }
.edge { border-left: 1px solid var(--line); }
th small, td small { display: block; color: var(--soft); font-weight: 400; font-size: .82em; }
td.good { color: var(--good); font-weight: 600; }
td.bad { color: var(--bad); font-weight: 600; }
td.muted { color: var(--soft); }
td.strong { font-weight: 600; }
sup { line-height: 0; font-size: .75em; }
sup a { text-decoration: none; padding-left: 2px; }
ol.notes { font-size: .83rem; color: var(--soft); margin: .2rem 0 .6rem; padding-left: 1.6rem;
  max-width: 105ch; }
details { margin: .3rem 0 1.2rem; font-size: .85rem; }
details.fold { font-size: inherit; margin: .2rem 0 .6rem; }
details.fold > summary { font-size: .95rem; }
summary { cursor: pointer; color: var(--accent); width: max-content; }
figure { margin: 1.4rem 0; }
figure svg { width: 100%; height: auto; display: block; color: var(--ink); }
figcaption { color: var(--soft); font-size: .88rem; max-width: 105ch; margin-top: .4rem; }
footer { margin-top: 3rem; padding-bottom: 40px; font-size: .85rem; }
@media print { :root { color-scheme: light; } details, .scroll { overflow: visible; } }
@media (max-width: 640px) { caption { white-space: normal; }
  ul.verdicts li { grid-template-columns: 1fr; }
  ul.verdicts small { grid-column: 1; }
  figure { overflow-x: auto; }
  figure svg { min-width: 680px; } }
)css";

std::string tone_name(Tone tone) {
  return tone == Tone::kGood ? " good" : tone == Tone::kBad ? " bad" : "";
}

std::string html_of(const Heading& block) {
  const std::string tag = "h" + std::to_string(block.level);
  return "<" + tag + ">" + inline_html(block.text) + "</" + tag + ">\n";
}

std::string html_of(const Paragraph& block) {
  return "<p>" + inline_html(block.text) + "</p>\n";
}

std::string html_of(const Facts& block) {
  std::string out = "<dl>\n";
  for (const auto& [name, value] : block.items) {
    out += "<div><dt>" + inline_html(name) + "</dt><dd>" + inline_html(value) + "</dd></div>\n";
  }
  return out + "</dl>\n";
}

std::string html_of(const Verdicts& block) {
  std::string out = "<ul class=\"verdicts\">\n";
  for (const Verdicts::Item& item : block.items) {
    out += "<li><span class=\"badge" + tone_name(item.tone) + "\">" + escape_html(item.verdict) +
           "</span><span>" + inline_html(item.text) + "</span><small>" + inline_html(item.detail) +
           "</small></li>\n";
  }
  return out + "</ul>\n";
}

std::string html_of(const TableBlock& block) {
  std::string out = to_html(block.table, block.id);
  if (!block.table.sql.empty()) {
    out += folded_query("The query behind this table", block.table.sql).source;
  }
  if (block.folded.empty()) return out;
  return "<details class=\"fold\"><summary>" + inline_html(block.folded) + "</summary>\n" + out +
         "</details>\n";
}

std::string html_of(const Picture& block) {
  return "<figure>\n" + block.svg + "<figcaption>" + inline_html(block.caption) +
         "</figcaption>\n</figure>\n";
}

std::string html_of(const Html& block) {
  return block.source;
}

std::string markdown_of(const Html&) {
  return "";
}

std::string markdown_of(const Heading& block) {
  return std::string(static_cast<std::size_t>(block.level), '#') + " " + block.text + "\n\n";
}

std::string markdown_of(const Paragraph& block) {
  return block.text + "\n\n";
}

std::string markdown_of(const Facts& block) {
  std::string out;
  for (const auto& [name, value] : block.items) out += "- " + name + ": " + value + "\n";
  return out + "\n";
}

std::string markdown_of(const Verdicts& block) {
  std::string out;
  for (const Verdicts::Item& item : block.items) {
    out += "- **" + item.verdict + "**: " + item.text + " (" + item.detail + ")\n";
  }
  return out + "\n";
}

std::string markdown_of(const TableBlock& block) {
  std::string out = to_markdown(block.table) + "\n";
  if (!block.table.sql.empty()) {
    out += "<details><summary>The query behind this table</summary>\n\n```sql\n" + block.table.sql +
           "\n```\n\n</details>\n\n";
  }
  return out;
}

std::string markdown_of(const Picture& block) {
  if (block.file.empty()) return "";
  return "![" + block.alt + "](" + block.file + ")\n\n" + block.caption + "\n\n";
}

}  // namespace

Html folded_query(const std::string& line, const std::string& sql) {
  return {"<details><summary>" + inline_html(line) + "</summary>\n<pre><code>" + escape_html(sql) +
          "</code></pre></details>\n"};
}

std::string to_html_page(const Document& document) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>" +
      escape_html(document.title) + "</title>\n<style>" + std::string(kStyle) +
      "</style>\n</head>\n<body>\n<header>\n<h1>" + inline_html(document.title) +
      "</h1>\n<p class=\"subtitle\">" + inline_html(document.subtitle) +
      "</p>\n</header>\n<main>\n";
  for (const Block& block : document.blocks) {
    out += std::visit([](const auto& content) { return html_of(content); }, block);
  }
  return out + "</main>\n<footer>\n<h2>Where these numbers come from</h2>\n" +
         html_of(document.footer) + "</footer>\n</body>\n</html>\n";
}

std::string to_markdown(const Document& document) {
  std::string out = "# " + document.title + "\n\n" + document.subtitle + "\n\n";
  for (const Block& block : document.blocks) {
    out += std::visit([](const auto& content) { return markdown_of(content); }, block);
  }
  return out + "## Where these numbers come from\n\n" + markdown_of(document.footer);
}

}  // namespace lethe::reports
