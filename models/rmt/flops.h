// SPDX-License-Identifier: Apache-2.0
// What a forward pass costs: full attention against segments with recurrent memory. Plain
// arithmetic, no LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::models {

/// Shape of a transformer with one key head per query head and a dense output layer.
struct FlopsShape {
  std::string name;
  std::int64_t layers = 0;
  std::int64_t width = 0;      ///< d, of the hidden state
  std::int64_t heads = 0;      ///< h
  std::int64_t ffn_width = 0;  ///< f, of the feed-forward layer
  std::int64_t vocabulary = 0;
};

/// Nine sizes of OPT (Zhang et al., arXiv 2205.01068, Table 1), smallest first.
const std::vector<FlopsShape>& opt_shapes();

/// Whether Figure 3 of arXiv 2304.11062 has a curve for this size of OPT.
bool in_figure_3(const FlopsShape& shape);

/// The lengths of Figure 3 of arXiv 2304.11062, ascending: 512 to 32,768 by factors of two (panel
/// a), 64,000 to 2,048,000 by factors of two (panel b, which repeats 16,384 and 32,768).
const std::vector<std::int64_t>& figure_3_lengths();

/// Tokens of the segment that the ratios of Figure 3 are relative to.
inline constexpr std::int64_t kFigure3Segment = 512;

/// Floating-point operations (a multiply-add counts two) of one forward pass over `positions`
/// positions:
///
///   F(L) = layers · (8 L d² + 4 L² d + 10 h L² + 4 L d f) + 2 L d V
///
///   8 L d²   queries, keys and values (6) and the output projection (2)
///   4 L² d   queries by keys (2) and weights by values (2)
///   10 h L²  ten operations for each entry of the h attention maps: softmax, scale, dropout
///   4 L d f  the two products of the feed-forward layer
///   2 L d V  output logits
///
/// Neither input embedding nor causal half is counted or left out. Source: arXiv 2304.11062, §2.1
/// and Figure 3, which says "following Hoffmann et al." and prints no formula; these constants are
/// derived from its 75 plotted points. The appendix of Hoffmann et al. (arXiv 2203.15556) has other
/// ones for softmax and embedding, and they do not give these points.
double forward_flops(const FlopsShape& shape, double positions);

/// Segments of `tokens` text tokens each, with `memory` memory tokens before and as many after them
/// (the read and write blocks of the decoder form, arXiv 2207.06881, §3).
struct RmtSegment {
  std::int64_t tokens = kFigure3Segment;
  std::int64_t memory = 0;
};

/// Operations of RMT over `length` text tokens: (length / T) · F(T + 2m). A last segment that is
/// not full counts by its share. With 512 tokens and no memory this is the RMT line of Figure 3:
/// there memory tokens and recurrence are free.
double rmt_flops(const FlopsShape& shape, std::int64_t length, const RmtSegment& segment = {});

}  // namespace lethe::models
