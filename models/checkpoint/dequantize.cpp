// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/dequantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "models/checkpoint/dequantize_formats.h"

namespace lethe::models {
namespace {

void dequantize_f32(const std::byte* data, std::span<float> out) {
  std::memcpy(out.data(), data, out.size_bytes());
}

void dequantize_f16(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = load_half(data + 2 * i);
}

void dequantize_bf16(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = bfloat16_to_float(load_little_endian<std::uint16_t>(data + 2 * i));
  }
}

constexpr std::array<GgmlFormat, 18> kFormats = {{
    {0, "F32", 1, 4, dequantize_f32},
    {1, "F16", 1, 2, dequantize_f16},
    {30, "BF16", 1, 2, dequantize_bf16},
    {8, "Q8_0", kQuantBlock, 34, dequantize_q8_0},
    {2, "Q4_0", kQuantBlock, 18, dequantize_q4_0},
    {3, "Q4_1", kQuantBlock, 20, dequantize_q4_1},
    {6, "Q5_0", kQuantBlock, 22, dequantize_q5_0},
    {7, "Q5_1", kQuantBlock, 24, dequantize_q5_1},
    {10, "Q2_K", kSuperBlock, 84, dequantize_q2_k},
    {11, "Q3_K", kSuperBlock, 110, dequantize_q3_k},
    {12, "Q4_K", kSuperBlock, 144, dequantize_q4_k},
    {13, "Q5_K", kSuperBlock, 176, dequantize_q5_k},
    {14, "Q6_K", kSuperBlock, 210, dequantize_q6_k},
    {20, "IQ4_NL", kQuantBlock, 18, dequantize_iq4_nl},
    {23, "IQ4_XS", kSuperBlock, 136, dequantize_iq4_xs},
    {34, "TQ1_0", kSuperBlock, 54, dequantize_tq1_0},
    {35, "TQ2_0", kSuperBlock, 66, dequantize_tq2_0},
    {39, "MXFP4", kQuantBlock, 17, dequantize_mxfp4},
}};

// ggml's own numbering (ggml.h, enum ggml_type); empty where an id was retired.
constexpr std::array<std::string_view, 41> kGgmlNames = {
    "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
    "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
    "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0",
    "",        "",      "",       "MXFP4", "NVFP4"};

}  // namespace

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

const GgmlFormat* find_ggml_format(std::uint32_t id) {
  const auto found = std::ranges::find(kFormats, id, &GgmlFormat::id);
  return found == kFormats.end() ? nullptr : &*found;
}

std::string ggml_type_name(std::uint32_t id) {
  if (id < kGgmlNames.size() && !kGgmlNames[id].empty()) return std::string(kGgmlNames[id]);
  return "type " + std::to_string(id);
}

std::string supported_ggml_formats() {
  std::vector<std::string> names;
  for (const GgmlFormat& format : kFormats) names.emplace_back(format.name);
  return join(names, ", ");
}

void require_finite(std::span<const float> values, std::string_view checkpoint,
                    std::string_view tensor) {
  constexpr std::uint32_t kExponent = 0x7f800000U;
  constexpr std::size_t kChunk = 4096;
  for (std::size_t begin = 0; begin < values.size(); begin += kChunk) {
    const auto chunk = values.subspan(begin, std::min(kChunk, values.size() - begin));
    // Branch-free so that the compiler can use vector instructions: every weight passes here.
    std::uint32_t bad = 0;
    for (const float value : chunk) {
      bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & kExponent) ==
                                        kExponent);
    }
    if (bad == 0) continue;
    const auto culprit = std::ranges::find_if(chunk, [](float v) { return !std::isfinite(v); });
    const std::size_t index = begin + static_cast<std::size_t>(culprit - chunk.begin());
    throw Error(ErrorKind::kModel, std::string(checkpoint) + ": tensor '" + std::string(tensor) +
                                       "': expected finite weights, found " +
                                       (std::isnan(*culprit) ? "NaN" : "infinity") + " at index " +
                                       std::to_string(index) + " of " +
                                       std::to_string(values.size()) +
                                       "; the file is damaged or was saved from a diverged run");
  }
}

}  // namespace lethe::models
