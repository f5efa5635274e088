// SPDX-License-Identifier: Apache-2.0
// Tokenizers of Hugging Face folders against what tokenizers 0.22.2 and sentencepiece make of the
// same files.
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/chat_settings.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "tests/models/file_support.h"
#include "tests/models/gguf_writer.h"
#include "tests/models/spm_gguf.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

using test::ids_of;
using test::text_of;
using Ids = std::vector<std::int64_t>;

/// The member, or another one where the golden leaves it out because it is the same.
const json::value& either(const json::value& item, std::string_view name, std::string_view other) {
  const auto* found = item.as_object().if_contains(name);
  return found == nullptr ? item.at(other) : *found;
}

void check_golden_folder(const std::string& name) {
  const std::string folder = "tokenizer/json/" + name;
  const auto tokenizer = open_tokenizer(test::golden(folder));
  const json::value texts =
      read_json_file(test::golden("tokenizer/json/texts.json"), ErrorKind::kData);
  const auto text_at = [&](const json::value& index) {
    return text_of(texts.as_array().at(static_cast<std::size_t>(index.as_int64())));
  };
  const auto cases = test::golden_lines(folder + "/expected.jsonl");
  REQUIRE(cases.size() > 90);
  for (const json::value& item : cases) {
    const std::string text = text_at(item.at("text"));
    INFO(name << ": " << text);
    if (item.as_object().contains("second")) {
      const auto pair = tokenizer->encode_with_special(text, text_at(item.at("second")), true);
      CHECK(pair.ids == ids_of(item.at("around")));
      CHECK(pair.type_ids == ids_of(item.at("type_ids")));
      continue;
    }
    const Ids special = ids_of(item.at("special"));
    CHECK(tokenizer->encode(text, true) == special);
    CHECK(tokenizer->encode(text, false) == ids_of(either(item, "plain", "special")));
    const auto around = tokenizer->encode_with_special(text, {}, true);
    CHECK(around.ids == ids_of(either(item, "around", "special")));
    CHECK(around.type_ids.size() == around.ids.size());
    CHECK(printable_utf8(tokenizer->decode(special, false)) == text_of(item.at("decoded")));
    CHECK(printable_utf8(tokenizer->decode(special, true)) ==
          text_of(either(item, "decoded_skip", "decoded")));
  }
}

TEST_CASE("byte-level BPE with the pre-tokenizers of GPT-2, Llama-3, Qwen-2 and SmolLM") {
  for (const char* name : {"roberta", "llama3", "qwen2", "smollm"}) check_golden_folder(name);
}

TEST_CASE("BPE over SentencePiece pieces as tokenizer.json stores it") {
  for (const char* name : {"llama2", "mistral"}) check_golden_folder(name);
}

TEST_CASE("Unigram, WordPiece, and BPE with prefixes, suffixes and odd splits") {
  for (const char* name : {"unigram", "unigram_bytes", "bert", "suffix", "splits", "whitespace"}) {
    check_golden_folder(name);
  }
}

TEST_CASE("MiniLM's WordPiece gives the golden ids, pairs and texts") {
  const auto tokenizer = open_tokenizer(test::golden("tokenizer/minilm"));
  const auto cases = test::golden_lines("tokenizer/minilm_wordpiece.jsonl");
  REQUIRE(cases.size() > 100);
  for (const json::value& item : cases) {
    const std::string text = text_of(item.at("text"));
    INFO(text);
    const auto* second = item.as_object().if_contains("text_pair");
    const std::string other = second == nullptr ? "" : text_of(*second);
    const auto found = tokenizer->encode_with_special(
        text, second == nullptr ? std::optional<std::string_view>() : other, true);
    CHECK(found.ids == ids_of(item.at("ids")));
    if (second != nullptr) CHECK(found.type_ids == ids_of(item.at("token_type_ids")));
    if (const auto* decoded = item.as_object().if_contains("decoded")) {
      CHECK(tokenizer->decode(found.ids, true) == text_of(*decoded));
    }
  }
  CHECK_FALSE(tokenizer->adds_bos());
  CHECK(tokenizer->vocab_size() == 30522);
}

TEST_CASE("tokens added behind the vocabulary count, are found and come back") {
  const std::string text = test::bytes_of(test::golden("tokenizer/json/whitespace/tokenizer.json"));
  json::value file = parse_json(text, "whitespace", ErrorKind::kData);
  const auto plain = make_json_tokenizer(text, "tokenizer.json", {});
  const std::int64_t size = plain->vocab_size();
  auto& added = file.as_object()["added_tokens"];
  if (!added.is_array()) added = json::array();
  const auto add = [&](const char* content, std::int64_t id, bool special) {
    added.as_array().push_back(
        json::object{{"id", id}, {"content", content}, {"special", special}});
  };
  add("<|one|>", size, true);
  add("<|two|>", size + 1, false);
  const auto tokenizer = make_json_tokenizer(json::serialize(file), "tokenizer.json", {});
  CHECK(tokenizer->vocab_size() == size + 2);
  CHECK(tokenizer->encode("<|one|><|two|>", true) == Ids{size, size + 1});
  CHECK(tokenizer->encode("<|two|>", false) == Ids{size + 1});
  CHECK(tokenizer->decode({size}, false) == "<|one|>");
  CHECK(tokenizer->decode({size, size + 1}, true) == "<|two|>");
  CHECK_THROWS_AS(tokenizer->decode({size + 2}, false), Error);
  CHECK_THROWS_AS(plain->decode({size}, false), Error);
}

void check_spm512(const Tokenizer& tokenizer) {
  const auto cases = test::golden_lines("tokenizer/spm512.jsonl");
  REQUIRE(cases.size() == 102);
  for (const json::value& item : cases) {
    const std::string text = text_of(item.at("text"));
    INFO(text);
    const Ids ids = ids_of(item.at("ids"));
    CHECK(tokenizer.encode(text, false) == ids);
    CHECK(printable_utf8(tokenizer.decode(ids, true)) == text_of(item.at("decoded")));
  }
  CHECK(tokenizer.vocab_size() == 512);
  CHECK(tokenizer.bos_id() == 1);
  CHECK(tokenizer.eos_ids() == Ids{2});
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.encode_with_special("", {}, false).ids == Ids{1});
  // Special tokens are parsed where asked alone, and a text behind one gets its own space.
  CHECK(tokenizer.encode("a</s>a", true) ==
        Ids{tokenizer.encode("a", true)[0], 2, tokenizer.encode("a", true)[0]});
  CHECK(tokenizer.encode("</s>", false).size() > 1);
  CHECK(tokenizer.decode({1, 2}, true).empty());
  CHECK(tokenizer.decode({1, 2}, false) == "<s></s>");
  CHECK_THROWS_AS(tokenizer.decode({512}, false), Error);
}

/// A golden byte-level tokenizer.json as a GGUF file.
std::string byte_level_gguf(const std::string& kind, const std::string& pre) {
  const json::value file =
      read_json_file(test::golden("tokenizer/json/" + kind + "/tokenizer.json"), ErrorKind::kData);
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;
  const auto put = [&](std::string_view text, std::int64_t id, std::int32_t token_kind) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= tokens.size()) {
      tokens.resize(index + 1);
      kinds.resize(index + 1);
    }
    tokens[index] = std::string(text);
    kinds[index] = token_kind;
  };
  for (const auto& member : file.at("model").at("vocab").as_object()) {
    put(member.key(), member.value().as_int64(), 1);
  }
  for (const json::value& added : file.at("added_tokens").as_array()) {
    put(added.at("content").as_string(), added.at("id").as_int64(),
        added.at("special").as_bool() ? 3 : 4);
  }
  std::vector<std::string> merges;
  for (const json::value& merge : file.at("model").at("merges").as_array()) {
    merges.push_back(merge.is_string()
                         ? text_of(merge)
                         : text_of(merge.as_array()[0]) + " " + text_of(merge.as_array()[1]));
  }
  test::GgufWriter writer;
  writer.text("general.architecture", "llama")
      .text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", pre)
      .texts("tokenizer.ggml.tokens", tokens)
      .texts("tokenizer.ggml.merges", merges)
      .int32s("tokenizer.ggml.token_type", kinds)
      .uint32("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(tokens.size() - 1));
  return writer.bytes();
}

TEST_CASE("byte-level vocabularies in GGUF files give the ids of their tokenizer.json") {
  const test::TempDir dir;
  const json::value texts =
      read_json_file(test::golden("tokenizer/json/texts.json"), ErrorKind::kData);
  for (const auto& [kind, pre] :
       {std::pair("llama3", "llama-bpe"), std::pair("smollm", "smollm")}) {
    test::write_bytes(dir / "m.gguf", byte_level_gguf(kind, pre));
    const auto from_gguf = open_tokenizer(dir / "m.gguf");
    const auto from_json = open_tokenizer(test::golden("tokenizer/json/" + std::string(kind)));
    CHECK(from_gguf->adds_bos() == (std::string_view(kind) == "llama3"));
    for (const json::value& item : texts.as_array()) {
      const std::string text = text_of(item);
      INFO(kind << ": " << text);
      for (const bool special : {false, true}) {
        CHECK(from_gguf->encode(text, special) == from_json->encode(text, special));
      }
    }
  }
  // Qwen-2 differs from Llama-3 in digits alone; its normalizer is not part of a GGUF file.
  test::write_bytes(dir / "m.gguf", byte_level_gguf("qwen2", "qwen2"));
  const auto from_gguf = open_tokenizer(dir / "m.gguf");
  const auto from_json = open_tokenizer(test::golden("tokenizer/json/qwen2"));
  for (const char* text :
       {"in 12345 days, don't WE'LL \n\n  x", "a\t b\r\n", "<|im_start|>user\n1"}) {
    CHECK(from_gguf->encode(text, true) == from_json->encode(text, true));
  }
}

TEST_CASE("a SentencePiece model through its library gives the golden ids") {
  const test::TempDir dir;
  std::filesystem::copy_file(test::golden("tokenizer/spm512.model"), dir / "tokenizer.model");
  check_spm512(*open_tokenizer(dir.path()));
}

TEST_CASE("the same vocabulary in a GGUF file gives the golden ids") {
  const test::TempDir dir;
  test::write_bytes(dir / "m.gguf",
                    test::spm512_gguf().text("tokenizer.chat_template", "{{ bos_token }}").bytes());
  const auto tokenizer = open_tokenizer(dir / "m.gguf");
  check_spm512(*tokenizer);
  const auto chat = read_chat_settings(dir / "m.gguf");
  CHECK(chat.templates.at("default").text == "{{ bos_token }}");
  CHECK(chat.special_tokens.at("bos_token") == "<s>");
}

}  // namespace
}  // namespace lethe::models
