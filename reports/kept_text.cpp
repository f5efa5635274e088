// SPDX-License-Identifier: Apache-2.0
#include "reports/kept_text.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "harness/base/json.h"
#include "reports/table.h"

namespace lethe::reports {
namespace {

constexpr int kShades = 10;

// One hue, from nothing to half covered: the ink on it stays readable in light and dark.
constexpr std::string_view kStyle = R"css(<style>
.kept { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .95rem; line-height: 1.9;
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 14px;
  max-height: 60vh; overflow-y: auto; }
.kept span { border-radius: 2px; padding: 2px 0; background: rgb(0 114 178 / calc(var(--k) * 7%)); }
.kept-key span { display: inline-block; width: 1.6em; text-align: center;
  background: rgb(0 114 178 / calc(var(--k) * 7%)); }
.kept span, .kept-key span { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.kept-tools { margin: 1rem 0 .5rem; display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; }
canvas.kept-map { width: 100%; max-width: 720px; border: 1px solid var(--line);
  image-rendering: pixelated; }
@media print { .kept { max-height: none; overflow: visible; } .kept-tools { display: none; } }
</style>
)css";

constexpr std::string_view kScript = R"js(<script>
(() => {
  const data = JSON.parse(document.getElementById("kept-data").textContent);
  const spans = [...document.querySelectorAll(".kept span")];
  const choice = document.getElementById("kept-place");
  const canvas = document.getElementById("kept-map");
  const tokens = spans.length;
  const shade = share => Math.min(9, Math.floor(Math.sqrt(share) * 10));
  const map = place => {
    const side = Math.min(tokens, 720);
    canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, side, side);
    pen.fillStyle = "rgb(0 114 178)";
    const scale = side / tokens;
    place.forEach((last, position) => pen.fillRect(position * scale, position * scale,
      Math.max(scale, 0.7), Math.max(scale, (last - position + 1) * scale)));
  };
  const show = () => {
    const chosen = choice.value === "mean" ? null : data.places[Number(choice.value)].last;
    spans.forEach((span, position) => {
      const possible = tokens - position;
      const kept = chosen ? chosen[position] - position + 1
        : data.places.reduce((sum, place) => sum + place.last[position] - position + 1, 0) / data.places.length;
      span.style.setProperty("--k", shade(kept / possible));
      span.title = "token " + position + ": kept " + Math.round(kept) + " of " + possible + " steps" +
        (data.tooltips[position] ? "; " + data.tooltips[position] : "");
    });
    map(chosen || data.places[0].last);
    document.getElementById("kept-map-name").textContent = data.places[chosen ? Number(choice.value) : 0].name;
  };
  const mean = new Option("mean over layers", "mean");
  choice.append(mean, ...data.places.map((place, i) => new Option(place.name, String(i))));
  choice.addEventListener("change", show);
  document.getElementById("kept-tools").hidden = false;
  show();
})();
</script>
)js";

// Most tokens stay for a small part of the steps: the square root tells them apart.
int shade_of(double share) {
  return std::min(kShades - 1, static_cast<int>(std::floor(kShades * std::sqrt(share))));
}

std::string data_of(const KeptText& text) {
  json::array places;
  for (const KeptPlace& place : text.places) {
    places.push_back({{"name", place.name},
                      {"last", json::array(place.last_steps.begin(), place.last_steps.end())}});
  }
  std::string data = json::serialize(
      json::object{{"places", std::move(places)},
                   {"tooltips", json::array(text.tooltips.begin(), text.tooltips.end())}});
  // "</script>" must not end the element, whatever a tooltip says.
  std::string safe;
  for (const char c : data) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return safe;
}

std::string panel_script(const KeptText& text, std::size_t place, std::size_t index) {
  const std::string block = "$map_" + std::to_string(index);
  const auto& last = text.places[place].last_steps;
  std::string out = block + " << EOD\n";
  for (std::size_t p = 0; p < last.size(); ++p) {
    out += std::to_string(p) + " " + std::to_string(p) + " " +
           std::to_string(last[p] - static_cast<std::int64_t>(p) + 1) + "\n";
  }
  return out + "EOD\n";
}

}  // namespace

double kept_share(const KeptText& text, std::size_t position) {
  double kept = 0;
  for (const KeptPlace& place : text.places) {
    kept += static_cast<double>(place.last_steps[position]) - static_cast<double>(position) + 1;
  }
  return kept / static_cast<double>(text.places.size()) /
         static_cast<double>(text.pieces.size() - position);
}

std::string kept_text_html(const KeptText& text) {
  std::string out(kStyle);
  out += "<p class=\"kept-key\">Kept for <span style=\"--k: 0\">0</span>";
  for (int shade = 1; shade < kShades; ++shade) {
    out += "<span style=\"--k: " + std::to_string(shade) + "\">" + std::to_string(shade * shade) +
           "</span>";
  }
  out +=
      " % and more of the steps there were after the token.</p>\n"
      "<p class=\"kept-tools\" id=\"kept-tools\" hidden=\"hidden\"><label>Coloured by "
      "<select id=\"kept-place\"></select></label></p>\n<div class=\"kept\" tabindex=\"0\">";
  for (std::size_t i = 0; i < text.pieces.size(); ++i) {
    const int shade = shade_of(kept_share(text, i));
    out += "<span style=\"--k: " + std::to_string(shade) + "\">" + escape_html(text.pieces[i]) +
           "</span>";
  }
  out +=
      "</div>\n<h3>What was kept when: <span id=\"kept-map-name\"></span></h3>\n"
      "<p>A column is a token, a row a step, downwards; a token is kept where it is coloured. "
      "Choose a layer above.</p>\n"
      "<canvas class=\"kept-map\" id=\"kept-map\" role=\"img\" "
      "aria-labelledby=\"kept-map-name\"></canvas>\n"
      "<script type=\"application/json\" id=\"kept-data\">" +
      data_of(text) + "</script>\n" + std::string(kScript);
  return out;
}

std::vector<std::filesystem::path> draw_kept_map(const KeptText& text,
                                                 const std::vector<std::size_t>& places,
                                                 const std::string& name,
                                                 const std::filesystem::path& folder,
                                                 const std::string& program) {
  const std::string tokens = std::to_string(text.pieces.size());
  const std::string count = std::to_string(places.size());
  std::string data, body = "set multiplot layout 1," + count + "\nset xrange [-" +
                           std::to_string(text.pieces.size() / 100) + ":" + tokens +
                           "]\nset yrange [" + tokens +
                           ":0]\nset xlabel \"token\"\nset tics out nomirror\nset size square\n";
  for (std::size_t i = 0; i < places.size(); ++i) {
    data += panel_script(text, places[i], i);
    body += "set title \"" + text.places[places[i]].name + "\"\n" +
            (i == 0 ? "set ylabel \"step\"\n" : "unset ylabel\n") + "plot $map_" +
            std::to_string(i) +
            " using 1:2:(0):3 with vectors nohead linewidth 0.6 linecolor rgb \"#0072b2\" "
            "notitle\n";
  }
  body += "unset multiplot\n";
  const auto width = [&](int one) { return std::to_string(one * static_cast<int>(places.size())); };
  const std::string script =
      "# Kept tokens. Redraw: gnuplot -d " + name + ".gp\nset encoding utf8\n" + data +
      "set terminal svg noenhanced size " + width(330) +
      ",380 font \"sans-serif,12\" background \"white\"\nset output \"" + name + ".svg\"\n" + body +
      "set output\nset terminal pngcairo noenhanced size " + width(660) +
      ",760 font \"sans,12\" fontscale 1.6 linewidth 1.4 background \"white\"\nset output \"" +
      name + ".png\"\n" + body + "set output\n";
  return draw_script(name, script, folder, program);
}

}  // namespace lethe::reports
