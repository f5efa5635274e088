// SPDX-License-Identifier: Apache-2.0
// What a tokenizer does with odd, long, hostile and wrong input, on small made-up vocabularies.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/seed.h"
#include "models/tokenizer/bpe_merges.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/pre_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/models/file_support.h"
#include "tests/models/gguf_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

using Ids = std::vector<std::int64_t>;

/// A vocabulary of all bytes (ids 0 to 255), then the tokens given.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;
  std::string pre_tokenizer = "smollm";
  bool adds_bos = false;
  std::optional<std::int64_t> bos_id;

  Vocabulary() {
    for (int byte = 0; byte < 256; ++byte) {
      add(byte_level_encode(static_cast<unsigned char>(byte)), TokenKind::kNormal);
    }
  }
  void add(const std::string& token, TokenKind kind) {
    tokens.push_back(token);
    kinds.push_back(kind);
  }
  void merge(const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    if (std::ranges::find(tokens, left + right) == tokens.end()) {
      add(left + right, TokenKind::kNormal);
    }
  }
  std::unique_ptr<Tokenizer> build() const {
    BpeDescription description;
    description.tokens.assign(tokens.begin(), tokens.end());
    description.kinds = kinds;
    description.merges.assign(merges.begin(), merges.end());
    description.pre_tokenizer = pre_tokenizer;
    description.adds_bos = adds_bos;
    description.bos_id = bos_id;
    return make_bpe_tokenizer(description, "made-up");
  }
  std::string build_error() const {
    return test::error_of(ErrorKind::kModel, [&] { build(); });
  }
};

std::vector<std::string> words(const PreTokenizer& splitter, std::string_view text) {
  std::vector<std::string> found;
  splitter.split(text, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}

std::string repeated(std::string_view piece, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += piece;
  return text;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the byte alphabet covers every byte once and decodes to itself") {
  for (int byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<unsigned char>(byte);
    CHECK(byte_level_decode(byte_level_encode(value)) == std::string(1, static_cast<char>(value)));
  }
  CHECK(byte_level_encode(' ') == "\xc4\xa0");
  CHECK_FALSE(byte_level_decode(" ").has_value());
  CHECK_FALSE(byte_level_decode("\xe2\x82\xac").has_value());
  CHECK_FALSE(byte_level_decode("\xc4").has_value());
  CHECK_FALSE(byte_level_decode("\xc4x").has_value());
}

TEST_CASE("text that is not UTF-8 is refused with the byte offset") {
  const auto tokenizer = Vocabulary().build();
  const std::pair<std::string, std::string> cases[] = {{"abc\xff", "byte 3 of 4"},
                                                       {"\xc3", "byte 0 of 1"},
                                                       {"a\xed\xa0\x80z", "byte 1 of 5"},
                                                       {"\xc0\x80", "byte 0 of 2"}};
  for (const auto& [text, expected] : cases) {
    const std::string message =
        test::error_of(ErrorKind::kData, [&] { tokenizer->encode(text, true); });
    INFO(message);
    CHECK(contains(message, expected));
  }
  CHECK(tokenizer->encode("", true).empty());
  CHECK(tokenizer->encode(std::string_view("a\0b", 3), false) == Ids{97, 0, 98});
}

TEST_CASE("invalid UTF-8 prints as one replacement per broken sequence") {
  const std::string mark = "\xef\xbf\xbd";
  CHECK(printable_utf8("") == "");
  CHECK(printable_utf8("h\xc3\xa9") == "h\xc3\xa9");
  CHECK(printable_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41") == mark + mark + mark + mark + "A");
  CHECK(printable_utf8("\xc0\xaf\xed\xa0\x80") == mark + mark + mark + mark + mark);
  CHECK(printable_utf8("\xf4\x90\x80\x80") == mark + mark + mark + mark);
  CHECK(printable_utf8("\xf0\x9f\x98") == mark);
}

TEST_CASE("the longest special token wins, and only where special tokens are parsed") {
  Vocabulary vocabulary;
  vocabulary.add("<|a|>", TokenKind::kControl);       // 256
  vocabulary.add("<|a|><|b|>", TokenKind::kControl);  // 257
  vocabulary.add("<unk>", TokenKind::kUnknown);       // 258
  vocabulary.add("[user]", TokenKind::kUserDefined);  // 259
  const auto tokenizer = vocabulary.build();
  CHECK(tokenizer->encode("x<|a|>y", true) == Ids{'x', 256, 'y'});
  CHECK(tokenizer->encode("<|a|><|b|><|a|>", true) == Ids{257, 256});
  CHECK(tokenizer->encode("<<|a|>", true) == Ids{'<', 256});
  CHECK(tokenizer->encode("<|a|", true) == Ids{'<', '|', 'a', '|'});
  CHECK(tokenizer->encode("<|a|>", false) == Ids{'<', '|', 'a', '|', '>'});
  CHECK(tokenizer->encode("<unk>", true) == Ids{258});
  CHECK(tokenizer->encode("<unk>", false).size() == 5);
  CHECK(tokenizer->encode("[user]", false) == Ids{259});
  CHECK(tokenizer->decode({256, 'x', 258, 259}, false) == "<|a|>x<unk>[user]");
  CHECK(tokenizer->decode({256, 'x', 258, 259}, true) == "x[user]");
}

TEST_CASE("ids outside the vocabulary are refused") {
  const auto tokenizer = Vocabulary().build();
  for (const std::int64_t id : {std::int64_t{256}, std::int64_t{-1}}) {
    const std::string message = test::error_of(ErrorKind::kData, [&] {
      tokenizer->decode({97, id}, false);
    });
    CHECK(contains(message, "token 1: expected an id from 0 to 255, found " + std::to_string(id)));
  }
}

TEST_CASE("a byte without a token is dropped, as the published tokenizers do") {
  Vocabulary vocabulary;
  vocabulary.tokens[4] = "no byte at all";
  const auto tokenizer = vocabulary.build();
  CHECK(tokenizer->encode("a\x04z", false) == Ids{'a', 'z'});
}

TEST_CASE("merging equals the textbook definition on random merge tables") {
  RandomStream random(11);
  for (int round = 0; round < 200; ++round) {
    BpeMerges merges;
    struct Rule {
      std::int32_t left, right, token;
    };
    std::vector<Rule> rules;
    for (std::int32_t token = 3; token < 20; ++token) {
      const auto bound = static_cast<std::uint64_t>(token);
      const auto left = static_cast<std::int32_t>(random.below(bound));
      const auto right = static_cast<std::int32_t>(random.below(bound));
      rules.push_back({left, right, token});
      merges.add(left, right, {static_cast<std::uint32_t>(rules.size() - 1), token});
    }
    BpeMerger merger(merges);
    std::vector<std::int32_t> word(random.below(60));
    for (auto& token : word) token = static_cast<std::int32_t>(random.below(3));
    std::vector<std::int32_t> expected = word;
    for (bool changed = true; changed;) {
      changed = false;
      for (const Rule& rule : rules) {
        for (std::size_t i = 0; i + 1 < expected.size() && !changed; ++i) {
          if (expected[i] != rule.left || expected[i + 1] != rule.right) continue;
          expected[i] = rule.token;
          expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          changed = true;
        }
        if (changed) break;
      }
    }
    merger.merge(word);
    INFO("round " << round);
    REQUIRE(word == expected);
  }
}

TEST_CASE("GPT-2 words") {
  const PreTokenizer gpt2("gpt-2", "made-up");
  const PreTokenizer smollm("smollm", "made-up");
  using Words = std::vector<std::string>;
  CHECK(words(gpt2, "I'll  pay 250$, can't I?\n\n") ==
        Words{"I", "'ll", " ", " pay", " 250", "$,", " can", "'t", " I", "?", "\n\n"});
  CHECK(words(smollm, "pay 250$ a  7") == Words{"pay", " ", "2", "5", "0", "$", " a", "  ", "7"});
  CHECK(words(gpt2, "a \xc3\xa9t\xc3\xa9\xe3\x80\x80z") ==
        Words{"a", " \xc3\xa9t\xc3\xa9", "\xe3\x80\x80", "z"});
  // U+180E is no white space: it goes with the punctuation.
  CHECK(words(gpt2, "!\xe1\xa0\x8e!") == Words{"!\xe1\xa0\x8e!"});
  // Names of llama.cpp for the same expressions.
  CHECK(PreTokenizer("olmo", "made-up").pattern() == gpt2.pattern());
  CHECK(PreTokenizer("deepseek-r1-qwen", "made-up").pattern() ==
        PreTokenizer("qwen2", "made-up").pattern());
  CHECK(is_llama3("falcon3"));
  // llama.cpp's "default" cuts at punctuation first, and numbers into groups of three.
  CHECK_THROWS_AS(PreTokenizer("default", "made-up"), Error);
}

TEST_CASE("one expression equals splitting at digits first and then by GPT-2's") {
  const PreTokenizer gpt2("gpt-2", "made-up");
  const PreTokenizer smollm("smollm", "made-up");
  const std::vector<std::string> alphabet = {"a",
                                             "s",
                                             "'",
                                             "t",
                                             " ",
                                             " ",
                                             "\n",
                                             "\t",
                                             "\xc2\xa0",
                                             "!",
                                             "\xc3\xa9",
                                             "\xe4\xb8\xad",
                                             "\xe2\x80\x83",
                                             "\xcc\x81",
                                             "re",
                                             "'re",
                                             "\xf0\x9f\x98\x80",
                                             "\xe1\xa0\x8e",
                                             "\xc2\x85"};
  const std::vector<std::string> numbers = {"0", "7", "\xc2\xbd", "\xe2\x85\xa3", "\xd9\xa3"};
  RandomStream random(5);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> expected;
    std::string piece;
    const auto flush = [&] {
      for (auto& word : words(gpt2, piece)) expected.push_back(std::move(word));
      piece.clear();
    };
    for (std::uint64_t i = random.below(24); i > 0; --i) {
      if (random.below(5) == 0) {
        flush();
        expected.push_back(numbers[random.below(numbers.size())]);
      } else {
        piece += alphabet[random.below(alphabet.size())];
      }
    }
    flush();
    std::string text;
    for (const std::string& word : expected) text += word;
    INFO(text);
    REQUIRE(words(smollm, text) == expected);
  }
}

TEST_CASE("a megabyte of one kind of character is split and comes back") {
  Vocabulary vocabulary;
  vocabulary.merge("a", "a");
  vocabulary.merge("aa", "aa");
  vocabulary.merge("\xc4\xa0", "\xc4\xa0");
  for (const char* pre : {"smollm", "gpt-2"}) {
    vocabulary.pre_tokenizer = pre;
    const auto tokenizer = vocabulary.build();
    for (const char* piece : {"a", " ", "\n", "7", "!", "'", "\xe4\xb8\xad", "  x"}) {
      INFO(pre << ": " << piece);
      const std::string text = repeated(piece, 1'000'000) + "x";
      CHECK((tokenizer->decode(tokenizer->encode(text, true), false) == text));
    }
  }
}

TEST_CASE("a word of 100,000 random letters does not hang the default model's tokenizer") {
  const auto tokenizer = open_tokenizer(test::default_model());
  RandomStream random(3);
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + random.below(26));
  CHECK((tokenizer->decode(tokenizer->encode(text, false), false) == text));
}

TEST_CASE("the content hash follows everything that decides ids") {
  const Vocabulary base;
  const std::string hash = base.build()->content_sha256();
  CHECK(hash.size() == 64);
  CHECK(hash == Vocabulary().build()->content_sha256());
  std::vector<std::string> hashes = {hash};
  const auto changed = [&](auto&& change) {
    Vocabulary other;
    change(other);
    hashes.push_back(other.build()->content_sha256());
  };
  changed([](Vocabulary& v) { v.merge("a", "b"); });
  changed([](Vocabulary& v) { v.add("<s>", TokenKind::kControl); });
  changed([](Vocabulary& v) { v.add("<s>", TokenKind::kUserDefined); });
  changed([](Vocabulary& v) { v.pre_tokenizer = "gpt-2"; });
  changed([](Vocabulary& v) { v.bos_id = 1; });
  changed([](Vocabulary& v) { v.bos_id = 1, v.adds_bos = true; });
  changed([](Vocabulary& v) { std::swap(v.tokens[0], v.tokens[1]); });
  std::ranges::sort(hashes);
  CHECK(std::ranges::adjacent_find(hashes) == hashes.end());
}

TEST_CASE("vocabularies that contradict themselves are refused") {
  const auto refused = [&](const std::string& expected, auto&& change) {
    Vocabulary vocabulary;
    change(vocabulary);
    const std::string message = vocabulary.build_error();
    INFO(message);
    CHECK(contains(message, expected));
    CHECK(contains(message, "made-up"));
  };
  refused("'qwen9' is unknown", [](Vocabulary& v) { v.pre_tokenizer = "qwen9"; });
  refused("known: smollm, gpt-2, llama-bpe", [](Vocabulary& v) { v.pre_tokenizer = ""; });
  refused("merge 0", [](Vocabulary& v) { v.merges = {"a zz"}; });
  refused("merge 0", [](Vocabulary& v) { v.merges = {"ab"}; });
  refused("which is no token", [](Vocabulary& v) { v.merges = {"a b"}; });
  refused("every token once", [](Vocabulary& v) { v.add("a", TokenKind::kNormal); });
  refused("one type per token", [](Vocabulary& v) { v.kinds.pop_back(); });
  refused("below the vocabulary size 256", [](Vocabulary& v) { v.bos_id = 256; });
  refused("expected a BOS id", [](Vocabulary& v) { v.adds_bos = true; });
  refused("found 0", [](Vocabulary& v) { v.tokens.clear(), v.kinds.clear(); });
}

test::GgufWriter vocabulary_file(std::string_view model, std::string_view pre) {
  const Vocabulary vocabulary;
  test::GgufWriter writer;
  writer.text("general.architecture", "llama").text("tokenizer.ggml.model", model);
  if (!pre.empty()) writer.text("tokenizer.ggml.pre", pre);
  writer.texts("tokenizer.ggml.tokens", vocabulary.tokens)
      .texts("tokenizer.ggml.merges", vocabulary.merges)
      .uint32("tokenizer.ggml.bos_token_id", 7)
      .boolean("tokenizer.ggml.add_bos_token", true);
  return writer;
}

TEST_CASE("the tokenizer of a GGUF file is found, or its absence explained") {
  const test::TempDir dir;
  const auto opened = [&](const test::GgufWriter& writer) {
    test::write_bytes(dir / "v.gguf", writer.bytes());
    return open_tokenizer(dir / "v.gguf");
  };
  const auto tokenizer = opened(vocabulary_file("gpt2", "gpt-2"));
  CHECK(tokenizer->vocab_size() == 256);
  CHECK(tokenizer->bos_id() == 7);
  CHECK_FALSE(tokenizer->eos_id().has_value());
  CHECK(tokenizer->adds_bos());
  const auto refused = [&](const std::string& expected, auto&& action) {
    const std::string message = test::error_of(ErrorKind::kModel, action);
    INFO(message);
    CHECK(contains(message, expected));
  };
  refused("found 'bert'", [&] { opened(vocabulary_file("bert", "gpt-2")); });
  refused("tokenizer.ggml.scores", [&] { opened(vocabulary_file("llama", "gpt-2")); });
  refused("found none", [&] { opened(vocabulary_file("no_vocab", "gpt-2")); });
  refused("'tokenizer.ggml.pre': expected a string", [&] { opened(vocabulary_file("gpt2", "")); });
  refused("'smollm2' is unknown; did you mean 'smollm'?",
          [&] { opened(vocabulary_file("gpt2", "smollm2")); });
  refused("1 types for 256 tokens", [&] {
    opened(vocabulary_file("gpt2", "smollm").int32s("tokenizer.ggml.token_type", {1}));
  });
  refused("expected types 1 to 6, found 9", [&] {
    opened(vocabulary_file("gpt2", "smollm").int32s("tokenizer.ggml.token_type", {9}));
  });
  refused("found none", [] { open_tokenizer(test::golden("gguf/tiny_llama_f32.gguf")); });
  refused("expected tokenizer.json or tokenizer.model",
          [] { open_tokenizer(test::golden("tiny/llama_mha")); });
  refused("absent.gguf", [&] { open_tokenizer(dir / "absent.gguf"); });
}

TEST_CASE("bit flips in a vocabulary give an error or another tokenizer") {
  const test::TempDir dir;
  const std::string whole = vocabulary_file("gpt2", "smollm").bytes();
  RandomStream random(99);
  for (int i = 0; i < 400; ++i) {
    std::string bytes = whole;
    const std::size_t at = random.below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    if (i % 4 == 0) bytes.resize(random.below(bytes.size() - 1) + 1);
    test::write_bytes(dir / "v.gguf", bytes);
    INFO("mutation " << i);
    try {
      const auto tokenizer = open_tokenizer(dir / "v.gguf");
      tokenizer->decode(tokenizer->encode("some text, 42", true), false);
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::kModel);
    }
  }
}

}  // namespace
}  // namespace lethe::models
