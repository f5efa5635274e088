// SPDX-License-Identifier: Apache-2.0
// The numbers of a neural attention memory model (NAMM, arXiv 2410.13166) and the file they live
// in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"

namespace lethe::policies {

inline constexpr std::size_t kNammWindow = 32;                 ///< rows under one transform
inline constexpr std::size_t kNammHop = 16;                    ///< rows from one frame to the next
inline constexpr std::size_t kNammBins = kNammWindow / 2 + 1;  ///< frequencies of one transform
inline constexpr std::size_t kNammAgeDims = 8;
/// Numbers that the network sees of a token: its age first, its spectrum second.
inline constexpr std::size_t kNammFeatures = kNammAgeDims + kNammBins;
/// Names those features in files: a vector evolved on others is refused.
inline constexpr std::string_view kNammFeatureSchema = "age8-hann32-hop16-magnitudes17-ema0.99";
/// Smallest deviation that standardisation divides by.
inline constexpr float kNammLeastDeviation = 1e-7F;

/// `kBam`: tokens attend to themselves and to newer ones (backward attention memory, the paper's).
/// `kMlp`: every token is scored alone (its comparison).
enum class NammVariant { kBam, kMlp };
std::string_view to_string(NammVariant variant);

/// One network for all layers and KV heads, with what its inputs are standardised by.
///
/// With d = `hidden` and matrices stored [inputs][outputs], `weights` holds, one after the other,
///   kBam: W_qkv [25][3d], b_qkv [3d], W_o [d][50], b_o [50], w [25], b: 128 d + 76 numbers
///         (4,172 for d = 32);
///   kMlp: W_1 [25][d], b_1 [d], W_2 [d][25], b_2 [25], w [25], b: 51 d + 51 numbers.
struct NammParameters {
  NammVariant variant = NammVariant::kBam;
  std::int64_t hidden = 32;
  std::int64_t update_interval = 512;  ///< tokens between two updates; a multiple of kNammHop
  std::vector<float> weights;
  std::array<float, kNammBins> mean{};       ///< of each frequency's feature, all layers and heads
  std::array<float, kNammBins> deviation{};  ///< likewise; at least kNammLeastDeviation
  json::object provenance;                   ///< where the numbers come from; read by people only
};

/// How many weights a network of this shape has.
std::size_t namm_weight_count(NammVariant variant, std::int64_t hidden);

/// All weights zero, means zero, deviations one: every score is zero, so everything is kept.
NammParameters zero_namm_parameters(NammVariant variant = NammVariant::kBam,
                                    std::int64_t hidden = 32, std::int64_t update_interval = 512);

/// Throws Error(kData), beginning with `where`, unless sizes fit, every number is finite, every
/// deviation is at least kNammLeastDeviation and the interval is a multiple of kNammHop.
void check_namm_parameters(const NammParameters& parameters, std::string_view where);

/// SHA-256 of everything that may change a decision: all but the provenance.
std::string namm_content_sha256(const NammParameters& parameters);

/// {"schema": "lethe.namm", "version": 1, "features", "variant", "hidden", "update_interval",
/// "weights", "mean", "deviation", "provenance"}. Every float survives the way there and back.
json::object to_json(const NammParameters& parameters);
/// Throws Error(kData) that says what was expected and found, and where.
NammParameters namm_parameters_of(const json::value& value, const std::string& where);

/// Throws Error(kData) when the file cannot be read or is not such a file.
NammParameters read_namm_file(const std::filesystem::path& path);
/// Throws Error(kData) for numbers that no reader would accept, Error(kStore) when the file cannot
/// be written.
void write_namm_file(const std::filesystem::path& path, const NammParameters& parameters);

}  // namespace lethe::policies
