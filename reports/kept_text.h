// SPDX-License-Identifier: Apache-2.0
// A text coloured by how long each token was kept, and the map of what was kept when (TOVA, arXiv
// 2401.06104, Figures 8, 12 and 13).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "reports/plot.h"

namespace lethe::reports {

/// One layer, or one KV head of it.
struct KeptPlace {
  std::string name;                      ///< "layer 3", "layer 3, head 1"
  std::vector<std::int64_t> last_steps;  ///< by position: the last step whose query saw the token
};

/// A text as one evaluation saw it.
struct KeptText {
  std::vector<std::string> pieces;    ///< of every token, UTF-8
  std::vector<std::string> tooltips;  ///< further facts of every token; may be empty texts
  std::vector<KeptPlace> places;      ///< at least one; last_steps of pieces.size() each
};

/// Mean over places of the steps that the token at `position` stayed, as a share of the steps
/// there were for it: (0, 1].
double kept_share(const KeptText& text, std::size_t position);

/// Style, coloured text, map and the script that switches between places, for a page. Without
/// scripts the text shows the mean over places.
std::string kept_text_html(const KeptText& text);

/// Draws the maps of some places side by side, step against position, into NAME.svg and NAME.png.
/// Throws as draw().
std::vector<std::filesystem::path> draw_kept_map(const KeptText& text,
                                                 const std::vector<std::size_t>& places,
                                                 const std::string& name,
                                                 const std::filesystem::path& folder,
                                                 const std::string& program = "gnuplot");

}  // namespace lethe::reports
