// SPDX-License-Identifier: Apache-2.0
// Definitions follow Hugging Face tokenizers 0.22.2 (their observable behaviour).
#include "models/tokenizer/token_decoder.h"

#include <array>

#include "harness/base/text.h"
#include "harness/base/unicode.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/byte_token.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/metaspace.h"
#include "models/tokenizer/text_pattern.h"

namespace lethe::models {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string replaced;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, done)) {
    replaced.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  if (done == 0) return;
  text = replaced.append(text, done);
}

class ByteLevelDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    for (const char* idle : {"add_prefix_space", "trim_offsets", "use_regex"}) reader.find(idle);
    return std::make_unique<ByteLevelDecoder>();
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    for (std::string& token : tokens) {
      if (auto bytes = byte_level_decode(token)) token = std::move(*bytes);
    }
  }
};

class ByteFallbackDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader&) {
    return std::make_unique<ByteFallbackDecoder>();
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes broken) const override {
    // Runs of bytes become one part, as the characters that they may form.
    std::vector<std::string> parts;
    bool in_bytes = false;
    const auto end_run = [&] {
      if (in_bytes && broken == BrokenBytes::kReplaced) {
        parts.back() = replaced_bytes(std::move(parts.back()));
      }
    };
    for (std::string& token : tokens) {
      const auto byte = byte_of_token(token);
      if (byte && in_bytes) {
        parts.back() += static_cast<char>(*byte);
      } else if (byte) {
        parts.emplace_back(1, static_cast<char>(*byte));
      } else {
        end_run();
        parts.push_back(std::move(token));
      }
      in_bytes = byte.has_value();
    }
    end_run();
    tokens = std::move(parts);
  }
};

class FuseDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader&) {
    return std::make_unique<FuseDecoder>();
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    std::string whole;
    for (const std::string& token : tokens) whole += token;
    tokens.assign(1, std::move(whole));
  }
};

class StripDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    auto made = std::make_unique<StripDecoder>();
    made->content_ = reader.string("content");
    made->start_ = reader.integer("start");
    made->stop_ = reader.integer("stop");
    if (count_code_points(made->content_) != 1) {
      throw Error(ErrorKind::kModel, reader.where("content") + ": expected one character, found '" +
                                         made->content_ + "'");
    }
    return made;
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (std::int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (std::int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  std::int64_t start_ = 0;
  std::int64_t stop_ = 0;
};

class ReplaceDecoder final : public TokenDecoder {
 public:
  explicit ReplaceDecoder(ObjectReader& reader)
      : pattern_(reader.at("pattern"), reader.where("pattern")),
        content_(reader.string("content")) {}
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    return std::make_unique<ReplaceDecoder>(reader);
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    for (std::string& token : tokens) {
      // Bytes of one half of a character are no text to search.
      if (first_invalid_utf8(token)) continue;
      std::string replaced;
      pattern_.split(token, [&](std::string_view part, bool is_match) {
        replaced += is_match ? std::string_view(content_) : part;
      });
      token = std::move(replaced);
    }
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

class WordPieceDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    auto made = std::make_unique<WordPieceDecoder>();
    made->prefix_ = reader.string("prefix", "##");
    made->cleanup_ = value_or(reader, "cleanup", true);
    return made;
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    constexpr std::pair<std::string_view, std::string_view> kCleanups[] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix_)) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(0, " ");
        }
      }
      if (!cleanup_) continue;
      for (const auto& [from, to] : kCleanups) replace_all(token, from, to);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_ = true;
};

class MetaspaceDecoder final : public TokenDecoder {
 public:
  explicit MetaspaceDecoder(ObjectReader& reader) : metaspace_(read_metaspace(reader)) {}
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    return std::make_unique<MetaspaceDecoder>(reader);
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool drops = i == 0 && metaspace_.scheme != Metaspace::Scheme::kNever;
      replace_all(tokens[i], metaspace_.replacement, drops ? "" : " ");
    }
  }

 private:
  Metaspace metaspace_;
};

class SuffixDecoder final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    auto made = std::make_unique<SuffixDecoder>();
    made->suffix_ = reader.string("suffix", "</w>");
    return made;
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes) const override {
    if (suffix_.empty()) return;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

class DecoderSequence final : public TokenDecoder {
 public:
  static std::unique_ptr<TokenDecoder> make(ObjectReader& reader) {
    auto made = std::make_unique<DecoderSequence>();
    made->parts_ = make_components<TokenDecoder>(reader, "decoders", make_token_decoder);
    return made;
  }
  void apply(std::vector<std::string>& tokens, BrokenBytes broken) const override {
    for (const auto& part : parts_) part->apply(tokens, broken);
  }

 private:
  std::vector<std::unique_ptr<TokenDecoder>> parts_;
};

constexpr std::array<ComponentKind<TokenDecoder>, 9> kKinds = {{
    {"Sequence", DecoderSequence::make},
    {"ByteLevel", ByteLevelDecoder::make},
    {"ByteFallback", ByteFallbackDecoder::make},
    {"Fuse", FuseDecoder::make},
    {"Strip", StripDecoder::make},
    {"Replace", ReplaceDecoder::make},
    {"WordPiece", WordPieceDecoder::make},
    {"Metaspace", MetaspaceDecoder::make},
    {"BPEDecoder", SuffixDecoder::make},
}};

}  // namespace

std::unique_ptr<TokenDecoder> make_token_decoder(const json::value& value,
                                                 const std::string& where) {
  return make_component<TokenDecoder>(value, where, kKinds);
}

}  // namespace lethe::models
