// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/piece_table.h"

#include "harness/base/error.h"
#include "models/tokenizer/byte_token.h"
#include "models/tokenizer/metaspace.h"

namespace lethe::models {

std::string PieceTable::decode(const std::vector<std::int64_t>& ids, bool skip_special,
                               BrokenBytes broken) const {
  std::string text;
  std::size_t run = 0;  // bytes of byte tokens that the text ends with
  const auto end_run = [&] {
    if (run > 0 && broken == BrokenBytes::kReplaced) {
      const std::size_t from = text.size() - run;
      text.replace(from, run, replaced_bytes(text.substr(from)));
    }
    run = 0;
  };
  bool at_head = head_space != HeadSpace::kKept;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= size()) {
      throw Error(ErrorKind::kData, "token " + std::to_string(i) + ": expected an id from 0 to " +
                                        std::to_string(size() - 1) + ", found " +
                                        std::to_string(ids[i]));
    }
    const auto id = static_cast<std::size_t>(ids[i]);
    if (is_special(kinds[id])) {
      if (!skip_special) {
        end_run();
        text += texts[id];
      }
      at_head = at_head && text.empty();
      continue;
    }
    if (const auto byte = byte_of_token(texts[id]); byte && kinds[id] == TokenKind::kByte) {
      text += static_cast<char>(*byte);
      ++run;
      at_head = false;
      continue;
    }
    end_run();
    std::string_view rest = texts[id];
    if (at_head && rest.starts_with(kSpaceMark)) {
      rest.remove_prefix(kSpaceMark.size());
      at_head = head_space == HeadSpace::kAllDropped;
    }
    while (!rest.empty()) {
      const std::size_t mark = rest.find(kSpaceMark);
      text += rest.substr(0, mark);
      if (mark == std::string_view::npos) break;
      text += ' ';
      rest.remove_prefix(mark + kSpaceMark.size());
    }
    at_head = at_head && text.empty();
  }
  end_run();
  return text;
}

SpecialTokens PieceTable::special_tokens() const {
  SpecialTokens special;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (is_special(kinds[i])) special.add(texts[i], static_cast<std::int32_t>(i));
  }
  return special;
}

}  // namespace lethe::models
