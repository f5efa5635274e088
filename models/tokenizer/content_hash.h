// SPDX-License-Identifier: Apache-2.0
// Hashing what decides ids.
#pragma once

#include <string>
#include <string_view>

#include "harness/base/hash.h"

namespace lethe::models {

/// Adds a text, its length first: two vocabularies never hash alike by shifting text from one token
/// to the next.
inline void hash_text(Sha256& hash, std::string_view text) {
  hash.update(std::to_string(text.size())).update(":").update(text);
}

}  // namespace lethe::models
