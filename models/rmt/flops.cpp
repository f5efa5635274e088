// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/flops.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lethe::models {

namespace {

constexpr std::int64_t kVocabulary = 50272;
constexpr std::array<std::string_view, 5> kInFigure3{"OPT-125M", "OPT-1.3B", "OPT-6.7B", "OPT-30B",
                                                     "OPT-175B"};

}  // namespace

const std::vector<FlopsShape>& opt_shapes() {
  static const std::vector<FlopsShape> shapes{{"OPT-125M", 12, 768, 12, 3072, kVocabulary},
                                              {"OPT-350M", 24, 1024, 16, 4096, kVocabulary},
                                              {"OPT-1.3B", 24, 2048, 32, 8192, kVocabulary},
                                              {"OPT-2.7B", 32, 2560, 32, 10240, kVocabulary},
                                              {"OPT-6.7B", 32, 4096, 32, 16384, kVocabulary},
                                              {"OPT-13B", 40, 5120, 40, 20480, kVocabulary},
                                              {"OPT-30B", 48, 7168, 56, 28672, kVocabulary},
                                              {"OPT-66B", 64, 9216, 72, 36864, kVocabulary},
                                              {"OPT-175B", 96, 12288, 96, 49152, kVocabulary}};
  return shapes;
}

bool in_figure_3(const FlopsShape& shape) {
  return std::find(kInFigure3.begin(), kInFigure3.end(), shape.name) != kInFigure3.end();
}

const std::vector<std::int64_t>& figure_3_lengths() {
  static const std::vector<std::int64_t> lengths{
      512, 1024, 2048, 4096, 8192, 16384, 32768, 64000, 128000, 256000, 512000, 1024000, 2048000};
  return lengths;
}

double forward_flops(const FlopsShape& shape, double positions) {
  const auto layers = static_cast<double>(shape.layers);
  const auto d = static_cast<double>(shape.width);
  const auto h = static_cast<double>(shape.heads);
  const auto f = static_cast<double>(shape.ffn_width);
  const auto vocabulary = static_cast<double>(shape.vocabulary);
  const double projections = 8 * positions * d * d;
  const double attention = (4 * d + 10 * h) * positions * positions;
  const double feed_forward = 4 * positions * d * f;
  return layers * (projections + attention + feed_forward) + 2 * positions * d * vocabulary;
}

double rmt_flops(const FlopsShape& shape, std::int64_t length, const RmtSegment& segment) {
  const double segments = static_cast<double>(length) / static_cast<double>(segment.tokens);
  return segments * forward_flops(shape, static_cast<double>(segment.tokens + 2 * segment.memory));
}

}  // namespace lethe::models
