// SPDX-License-Identifier: Apache-2.0
// Definitions follow Hugging Face tokenizers 0.22.2 (their observable behaviour).
#include "models/tokenizer/normalizer.h"

#include <array>

#include "harness/base/unicode.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/text_pattern.h"

namespace lethe::models {
namespace {

/// Keeps the characters that `keep` accepts.
template <typename Keep>
void filter(Piece& piece, Keep&& keep) {
  std::string kept;
  kept.reserve(piece.text.size());
  bool first = true;
  for_each_code_point(piece.text, [&](std::int32_t c, std::string_view bytes) {
    if (keep(c)) {
      kept += bytes;
    } else if (first) {
      piece.heads_text = false;
    }
    first = false;
  });
  piece.text = std::move(kept);
}

template <NormalForm form>
class FormNormalizer final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader&) {
    return std::make_unique<FormNormalizer>();
  }
  void apply(Piece& piece) const override { piece.text = normal_form(piece.text, form); }
};

class Lowercase final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader&) { return std::make_unique<Lowercase>(); }
  void apply(Piece& piece) const override { piece.text = lower_case(piece.text); }
};

class StripAccents final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader&) {
    return std::make_unique<StripAccents>();
  }
  void apply(Piece& piece) const override {
    filter(piece, [](std::int32_t c) { return !is_mark(c); });
  }
};

class Strip final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader& reader) {
    auto made = std::make_unique<Strip>();
    made->left_ = value_or(reader, "strip_left", true);
    made->right_ = value_or(reader, "strip_right", true);
    return made;
  }
  void apply(Piece& piece) const override {
    std::size_t begin = piece.text.size();
    std::size_t end = 0;
    std::size_t at = 0;
    for_each_code_point(piece.text, [&](std::int32_t c, std::string_view bytes) {
      if (!is_space(c)) {
        begin = std::min(begin, at);
        end = at + bytes.size();
      }
      at += bytes.size();
    });
    if (!right_) end = piece.text.size();
    if (!left_) begin = 0;
    if (begin > 0) piece.heads_text = false;
    piece.text = begin < end ? piece.text.substr(begin, end - begin) : "";
  }

 private:
  bool left_ = true;
  bool right_ = true;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(ObjectReader& reader)
      : pattern_(reader.at("pattern"), reader.where("pattern")),
        content_(reader.string("content")) {}
  static std::unique_ptr<Normalizer> make(ObjectReader& reader) {
    return std::make_unique<Replace>(reader);
  }
  void apply(Piece& piece) const override {
    std::string replaced;
    replaced.reserve(piece.text.size());
    bool first = true;
    pattern_.split(piece.text, [&](std::string_view part, bool is_match) {
      if (first && is_match && content_.empty()) piece.heads_text = false;
      replaced += is_match ? std::string_view(content_) : part;
      first = false;
    });
    piece.text = std::move(replaced);
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader& reader) {
    auto made = std::make_unique<Prepend>();
    made->text_ = reader.string("prepend");
    return made;
  }
  void apply(Piece& piece) const override {
    if (!piece.text.empty()) piece.text.insert(0, text_);
  }

 private:
  std::string text_;
};

class BertNormalizer final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader& reader) {
    auto made = std::make_unique<BertNormalizer>();
    made->clean_text_ = value_or(reader, "clean_text", true);
    made->chinese_ = value_or(reader, "handle_chinese_chars", true);
    made->lowercase_ = value_or(reader, "lowercase", true);
    made->strip_accents_ = value_or(reader, "strip_accents", made->lowercase_);
    return made;
  }
  void apply(Piece& piece) const override {
    if (clean_text_) clean(piece);
    if (chinese_) isolate_ideographs(piece.text);
    if (strip_accents_) {
      piece.text = normal_form(piece.text, NormalForm::kNfd);
      filter(piece, [](std::int32_t c) { return !is_nonspacing_mark(c); });
    }
    if (lowercase_) piece.text = lower_case(piece.text);
  }

 private:
  static void clean(Piece& piece) {
    constexpr std::int32_t kReplacement = 0xfffd;
    filter(piece, [](std::int32_t c) {
      if (c == '\t' || c == '\n' || c == '\r') return true;
      return c != kReplacement && !is_control_like(c);
    });
    std::string spaced;
    for_each_code_point(piece.text, [&](std::int32_t c, std::string_view bytes) {
      spaced += is_space(c) ? std::string_view(" ") : bytes;
    });
    piece.text = std::move(spaced);
  }
  static void isolate_ideographs(std::string& text) {
    std::string isolated;
    for_each_code_point(text, [&](std::int32_t c, std::string_view bytes) {
      const bool alone = is_cjk_ideograph(c);
      if (alone) isolated += ' ';
      isolated += bytes;
      if (alone) isolated += ' ';
    });
    text = std::move(isolated);
  }

  bool clean_text_ = true;
  bool chinese_ = true;
  bool strip_accents_ = true;
  bool lowercase_ = true;
};

class ByteLevel final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader&) { return std::make_unique<ByteLevel>(); }
  void apply(Piece& piece) const override { piece.text = byte_level_encode(piece.text); }
};

class NormalizerSequence final : public Normalizer {
 public:
  static std::unique_ptr<Normalizer> make(ObjectReader& reader) {
    auto made = std::make_unique<NormalizerSequence>();
    made->parts_ = make_components<Normalizer>(reader, "normalizers", make_normalizer);
    return made;
  }
  void apply(Piece& piece) const override {
    for (const auto& part : parts_) part->apply(piece);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

constexpr std::array<ComponentKind<Normalizer>, 12> kKinds = {{
    {"Sequence", NormalizerSequence::make},
    {"NFC", FormNormalizer<NormalForm::kNfc>::make},
    {"NFD", FormNormalizer<NormalForm::kNfd>::make},
    {"NFKC", FormNormalizer<NormalForm::kNfkc>::make},
    {"NFKD", FormNormalizer<NormalForm::kNfkd>::make},
    {"Lowercase", Lowercase::make},
    {"StripAccents", StripAccents::make},
    {"Strip", Strip::make},
    {"Replace", Replace::make},
    {"Prepend", Prepend::make},
    {"BertNormalizer", BertNormalizer::make},
    {"ByteLevel", ByteLevel::make},
}};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const json::value& value, const std::string& where) {
  return make_component<Normalizer>(value, where, kKinds);
}

}  // namespace lethe::models
