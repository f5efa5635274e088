// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include "harness/base/error.h"
#include "models/tokenizer/metaspace.h"
#include "models/tokenizer/piece_tokenizer.h"

namespace lethe::models {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

TokenKind kind_of(const Processor& processor, int id) {
  if (processor.IsUnknown(id)) return TokenKind::kUnknown;
  if (processor.IsControl(id)) return TokenKind::kControl;
  if (processor.IsByte(id)) return TokenKind::kByte;
  if (processor.IsUnused(id)) return TokenKind::kUnused;
  return TokenKind::kNormal;
}

/// What the library itself drops from the head of a decoded text, which depends on options of the
/// model that it does not show.
PieceTable::HeadSpace head_space_of(const Processor& processor, const PieceTable& table) {
  for (std::int64_t id = 0; id < table.size(); ++id) {
    const std::string& text = table.texts[static_cast<std::size_t>(id)];
    if (table.kinds[static_cast<std::size_t>(id)] != TokenKind::kNormal ||
        !text.starts_with(kSpaceMark) || text.size() == kSpaceMark.size()) {
      continue;
    }
    if (processor.DecodeIds({static_cast<int>(id)}).starts_with(' ')) {
      return PieceTable::HeadSpace::kKept;
    }
    const int mark = processor.PieceToId(std::string(kSpaceMark));
    const bool keeps_second = processor.IsUnknown(mark) ||
                              processor.DecodeIds({mark, static_cast<int>(id)}).starts_with(' ');
    return keeps_second ? PieceTable::HeadSpace::kOneDropped : PieceTable::HeadSpace::kAllDropped;
  }
  return PieceTable::HeadSpace::kOneDropped;
}

PieceTable table_of(const Processor& processor) {
  PieceTable table;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    table.texts.push_back(processor.IdToPiece(id));
    table.kinds.push_back(kind_of(processor, id));
  }
  table.head_space = head_space_of(processor, table);
  return table;
}

class SentencePieceTokenizer final : public PieceTokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<Processor> processor, Facts facts, std::string_view bytes,
                         std::string_view where)
      : PieceTokenizer(table_of(*processor), std::move(facts), bytes, where),
        processor_(std::move(processor)) {}

 private:
  void encode_ordinary(std::string_view text, std::vector<std::int64_t>& ids) const override {
    std::vector<int> found;
    const auto status = processor_->Encode({text.data(), text.size()}, &found);
    if (!status.ok()) {
      throw Error(ErrorKind::kModel, "SentencePiece: " + std::string(status.message()));
    }
    ids.insert(ids.end(), found.begin(), found.end());
  }

  std::unique_ptr<Processor> processor_;
};

PieceTokenizer::Facts facts_of(const Processor& processor, const HfTokenizerConfig& config) {
  const auto known = boundary_ids(config, [&](std::string_view token) {
    const int id = processor.PieceToId({token.data(), token.size()});
    return processor.IdToPiece(id) == token ? std::optional<std::int64_t>(id) : std::nullopt;
  });
  const auto own = [](int id) { return id >= 0 ? std::optional<std::int64_t>(id) : std::nullopt; };
  PieceTokenizer::Facts facts;
  facts.bos_id = known.bos ? known.bos : own(processor.bos_id());
  facts.eos_id = known.eos ? known.eos : own(processor.eos_id());
  facts.eos_ids = known.all_eos;
  if (facts.eos_ids.empty() && facts.eos_id) facts.eos_ids = {*facts.eos_id};
  facts.adds_bos = config.adds_bos.value_or(facts.bos_id.has_value());
  facts.adds_eos = config.adds_eos.value_or(false);
  return facts;
}

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(std::string_view bytes,
                                                        std::string_view where,
                                                        const HfTokenizerConfig& config) {
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) {
    throw Error(ErrorKind::kModel, std::string(where) + ": expected a SentencePiece model, found " +
                                       std::to_string(bytes.size()) + " other bytes (" +
                                       std::string(status.message()) + ")");
  }
  if (config.largest_added_id >= processor->GetPieceSize()) {
    throw Error(ErrorKind::kModel,
                std::string(where) + ": expected the " + std::to_string(processor->GetPieceSize()) +
                    " pieces to be all tokens, found id " +
                    std::to_string(config.largest_added_id) +
                    " among the added tokens of the folder; a folder with added tokens needs its "
                    "tokenizer.json");
  }
  auto facts = facts_of(*processor, config);
  return std::make_unique<SentencePieceTokenizer>(std::move(processor), std::move(facts), bytes,
                                                  where);
}

}  // namespace lethe::models
