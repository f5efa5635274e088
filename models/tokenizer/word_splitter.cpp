// SPDX-License-Identifier: Apache-2.0
// Definitions follow Hugging Face tokenizers 0.22.2 (their observable behaviour).
#include "models/tokenizer/word_splitter.h"

#include <array>
#include <functional>
#include <optional>

#include "harness/base/unicode.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/component.h"
#include "models/tokenizer/metaspace.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/text_pattern.h"

namespace lethe::models {
namespace {

/// What becomes of the matches of a pattern.
enum class Behaviour { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Behaviour behaviour_of(ObjectReader& reader, std::string_view fallback) {
  constexpr std::array<std::string_view, 5> kNames = {"Removed", "Isolated", "MergedWithPrevious",
                                                      "MergedWithNext", "Contiguous"};
  const std::string name = reader.string("behavior", fallback);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Behaviour>(i);
  }
  throw unknown_name(ErrorKind::kModel, reader.where("behavior"), name,
                     std::vector<std::string>(kNames.begin(), kNames.end()));
}

struct Part {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};
using Finder =
    std::function<void(std::string_view, const std::function<void(std::string_view, bool)>&)>;

/// Cuts one piece by the matches of `find`.
void cut(const Piece& piece, Behaviour behaviour, const Finder& find, std::vector<Piece>& words) {
  std::vector<Part> parts;
  bool before = false;  // whether the part before was a match
  find(piece.text, [&](std::string_view text, bool is_match) {
    const auto begin = static_cast<std::size_t>(text.data() - piece.text.data());
    const Part part{begin, begin + text.size(), is_match};
    const bool joins = (behaviour == Behaviour::kContiguous && is_match == before) ||
                       (behaviour == Behaviour::kMergedWithPrevious && is_match && !before);
    if (joins && !parts.empty()) {
      parts.back().end = part.end;
    } else {
      parts.push_back(part);
    }
    before = is_match;
  });
  if (behaviour == Behaviour::kMergedWithNext) {
    // A match goes to what follows it, unless that is a match itself.
    std::vector<Part> merged;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].is_match && i + 1 < parts.size() && !parts[i + 1].is_match) {
        merged.push_back({parts[i].begin, parts[i + 1].end, false});
        ++i;
      } else {
        merged.push_back(parts[i]);
      }
    }
    parts = std::move(merged);
  }
  for (const Part& part : parts) {
    if (behaviour == Behaviour::kRemoved && part.is_match) continue;
    words.push_back({piece.text.substr(part.begin, part.end - part.begin),
                     piece.heads_text && part.begin == 0});
  }
}

void cut_all(std::vector<Piece>& pieces, Behaviour behaviour, const Finder& find) {
  std::vector<Piece> words;
  words.reserve(pieces.size());
  for (const Piece& piece : pieces) cut(piece, behaviour, find, words);
  std::erase_if(words, [](const Piece& word) { return word.text.empty(); });
  pieces = std::move(words);
}

/// Every character of a class is a match of its own.
template <bool (*is_in_class)(std::int32_t)>
void find_characters(std::string_view text,
                     const std::function<void(std::string_view, bool)>& part) {
  std::size_t rest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (is_in_class(point.value)) {
      if (rest < at) part(text.substr(rest, at - rest), false);
      part(text.substr(at, point.length), true);
      rest = at + point.length;
    }
    at += point.length;
  }
  if (rest < text.size()) part(text.substr(rest), false);
}

/// Cuts at the characters of a class: WhitespaceSplit, Digits, Punctuation.
class ClassSplitter final : public WordSplitter {
 public:
  ClassSplitter(Finder find, Behaviour behaviour) : find_(std::move(find)), behaviour_(behaviour) {}
  void split(std::vector<Piece>& pieces) const override { cut_all(pieces, behaviour_, find_); }

  static std::unique_ptr<WordSplitter> spaces(ObjectReader&) {
    return std::make_unique<ClassSplitter>(find_characters<is_space>, Behaviour::kRemoved);
  }
  static std::unique_ptr<WordSplitter> digits(ObjectReader& reader) {
    const bool individual = value_or(reader, "individual_digits", false);
    return std::make_unique<ClassSplitter>(
        find_characters<is_numeric>, individual ? Behaviour::kIsolated : Behaviour::kContiguous);
  }
  static std::unique_ptr<WordSplitter> punctuation(ObjectReader& reader) {
    return std::make_unique<ClassSplitter>(find_characters<is_punctuation>,
                                           behaviour_of(reader, "Isolated"));
  }

 private:
  Finder find_;
  Behaviour behaviour_;
};

class Split final : public WordSplitter {
 public:
  explicit Split(ObjectReader& reader)
      : pattern_(reader.at("pattern"), reader.where("pattern")),
        behaviour_(behaviour_of(reader, "Isolated")),
        invert_(value_or(reader, "invert", false)) {}
  static std::unique_ptr<WordSplitter> make(ObjectReader& reader) {
    return std::make_unique<Split>(reader);
  }
  void split(std::vector<Piece>& pieces) const override {
    cut_all(pieces, behaviour_, [this](std::string_view text, const auto& part) {
      pattern_.split(
          text, [&](std::string_view found, bool is_match) { part(found, is_match != invert_); });
    });
  }

 private:
  TextPattern pattern_;
  Behaviour behaviour_;
  bool invert_;
};

/// Words, and runs of what is neither word nor space.
class Whitespace final : public WordSplitter {
 public:
  static std::unique_ptr<WordSplitter> make(ObjectReader&) {
    return std::make_unique<Whitespace>();
  }
  void split(std::vector<Piece>& pieces) const override {
    enum class Class { kWord, kSpace, kOther };
    const auto class_of = [](std::int32_t c) {
      return is_word(c) ? Class::kWord : is_space(c) ? Class::kSpace : Class::kOther;
    };
    cut_all(pieces, Behaviour::kRemoved, [&](std::string_view text, const auto& part) {
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const Class first = class_of(code_point_at(text, at).value);
        while (at < text.size() && class_of(code_point_at(text, at).value) == first) {
          at += utf8_length(text[at]);
        }
        part(text.substr(begin, at - begin), first == Class::kSpace);
      }
    });
  }
};

class BertSplitter final : public WordSplitter {
 public:
  static std::unique_ptr<WordSplitter> make(ObjectReader&) {
    return std::make_unique<BertSplitter>();
  }
  void split(std::vector<Piece>& pieces) const override {
    cut_all(pieces, Behaviour::kRemoved, find_characters<is_space>);
    cut_all(pieces, Behaviour::kIsolated, find_characters<is_punctuation>);
  }
};

class ByteLevelSplitter final : public WordSplitter {
 public:
  explicit ByteLevelSplitter(ObjectReader& reader)
      : prefix_space_(value_or(reader, "add_prefix_space", true)) {
    value_or(reader, "trim_offsets", true);  // offsets are not ours
    if (value_or(reader, "use_regex", true)) gpt2_.emplace("gpt-2", reader.where("type"));
  }
  static std::unique_ptr<WordSplitter> make(ObjectReader& reader) {
    return std::make_unique<ByteLevelSplitter>(reader);
  }
  void split(std::vector<Piece>& pieces) const override {
    for (Piece& piece : pieces) {
      if (prefix_space_ && !piece.text.starts_with(' ')) piece.text.insert(0, " ");
    }
    if (gpt2_) {
      cut_all(pieces, Behaviour::kIsolated, [this](std::string_view text, const auto& part) {
        gpt2_->split(text, [&](std::string_view word) { part(word, true); });
      });
    }
    for (Piece& piece : pieces) piece.text = byte_level_encode(piece.text);
  }

 private:
  bool prefix_space_;
  std::optional<PreTokenizer> gpt2_;
};

class MetaspaceSplitter final : public WordSplitter {
 public:
  explicit MetaspaceSplitter(ObjectReader& reader) : metaspace_(read_metaspace(reader)) {}
  static std::unique_ptr<WordSplitter> make(ObjectReader& reader) {
    return std::make_unique<MetaspaceSplitter>(reader);
  }
  void split(std::vector<Piece>& pieces) const override {
    const std::string& mark = metaspace_.replacement;
    for (Piece& piece : pieces) {
      std::string text;
      for (const char c : piece.text) c == ' ' ? text += mark : text += c;
      const bool prepends = metaspace_.scheme == Metaspace::Scheme::kAlways ||
                            (metaspace_.scheme == Metaspace::Scheme::kFirst && piece.heads_text);
      if (prepends && !text.starts_with(mark)) text.insert(0, mark);
      piece.text = std::move(text);
    }
    if (!metaspace_.split) return;
    cut_all(pieces, Behaviour::kMergedWithNext, [&](std::string_view text, const auto& part) {
      while (!text.empty()) {
        const std::size_t at = text.find(mark);
        if (at != 0) part(text.substr(0, at), false);
        if (at == std::string_view::npos) return;
        part(text.substr(at, mark.size()), true);
        text.remove_prefix(at + mark.size());
      }
    });
  }

 private:
  Metaspace metaspace_;
};

class SplitterSequence final : public WordSplitter {
 public:
  static std::unique_ptr<WordSplitter> make(ObjectReader& reader) {
    auto made = std::make_unique<SplitterSequence>();
    made->parts_ = make_components<WordSplitter>(reader, "pretokenizers", make_word_splitter);
    return made;
  }
  void split(std::vector<Piece>& pieces) const override {
    for (const auto& part : parts_) part->split(pieces);
  }

 private:
  std::vector<std::unique_ptr<WordSplitter>> parts_;
};

constexpr std::array<ComponentKind<WordSplitter>, 9> kKinds = {{
    {"Sequence", SplitterSequence::make},
    {"ByteLevel", ByteLevelSplitter::make},
    {"Split", Split::make},
    {"Digits", ClassSplitter::digits},
    {"Whitespace", Whitespace::make},
    {"WhitespaceSplit", ClassSplitter::spaces},
    {"Punctuation", ClassSplitter::punctuation},
    {"Metaspace", MetaspaceSplitter::make},
    {"BertPreTokenizer", BertSplitter::make},
}};

}  // namespace

std::unique_ptr<WordSplitter> make_word_splitter(const json::value& value,
                                                 const std::string& where) {
  return make_component<WordSplitter>(value, where, kKinds);
}

}  // namespace lethe::models
