// SPDX-License-Identifier: Apache-2.0
// Post-processors of tokenizer.json: which special tokens stand around a text or a pair of texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::models {

/// One place of a layout: the ids of special tokens, or those of the first or second text.
struct LayoutItem {
  enum class What { kSpecial, kFirst, kSecond };
  What what = What::kFirst;
  std::vector<std::int64_t> ids;  ///< of kSpecial
  std::int64_t type_id = 0;
};
using Layout = std::vector<LayoutItem>;

/// How one text and how two texts are laid out.
struct Surroundings {
  Layout single = {{LayoutItem::What::kFirst, {}, 0}};
  Layout pair = {{LayoutItem::What::kFirst, {}, 0}, {LayoutItem::What::kSecond, {}, 1}};
};

/// The member "post_processor": TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or
/// a Sequence with at most one of the first three. For null, nothing stands around a text. Throws
/// Error(kModel) naming `where` for anything else.
Surroundings read_surroundings(const json::value& value, const std::string& where);

/// BOS before and EOS behind each text, where given.
Surroundings bos_eos_surroundings(std::optional<std::int64_t> bos, std::optional<std::int64_t> eos);

/// Puts the ids of one text, or of two, in their places.
Encoding lay_out(const Surroundings& surroundings, const std::vector<std::int64_t>& first,
                 const std::vector<std::int64_t>* second);

}  // namespace lethe::models
