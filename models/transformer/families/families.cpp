// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/families/families.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/base/error.h"

namespace lethe::models::families {
namespace {

struct Family {
  std::string_view architecture;
  Map* map;
};

constexpr std::array<Family, 9> kFamilies = {{
    {"llama", map_llama},
    {"mistral", map_llama},
    {"qwen2", map_llama},
    {"qwen3", map_qwen3},
    {"phi3", map_phi3},
    {"gemma2", map_gemma2},
    {"gpt2", map_gpt2},
    {"gpt_neox", map_gpt_neox},
    {"opt", map_opt},
}};

}  // namespace

Map& map_of(const std::string& architecture) {
  const auto found = std::ranges::find(kFamilies, architecture, &Family::architecture);
  LETHE_ASSERT(found != kFamilies.end(), architecture);
  return *found->map;
}

}  // namespace lethe::models::families
