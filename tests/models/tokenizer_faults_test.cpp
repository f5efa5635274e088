// SPDX-License-Identifier: Apache-2.0
// What a tokenizer of a Hugging Face folder does with damaged, odd and hostile files and texts.
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "harness/base/seed.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/regex.h"
#include "models/tokenizer/chat_settings.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "tests/models/file_support.h"
#include "tests/models/spm_gguf.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

constexpr const char* kKinds[] = {"roberta", "llama3",  "qwen2",   "smollm",
                                  "llama2",  "mistral", "unigram", "unigram_bytes",
                                  "bert",    "suffix",  "splits",  "whitespace"};

std::string golden_text(const std::string& kind) {
  return test::bytes_of(test::golden("tokenizer/json/" + kind + "/tokenizer.json"));
}

json::object golden_json(const std::string& kind) {
  return parse_json(golden_text(kind), kind, ErrorKind::kData).as_object();
}

std::string refusal(const json::object& changed) {
  return test::error_of(ErrorKind::kModel, [&] {
    make_json_tokenizer(json::serialize(changed), "tokenizer.json", {});
  });
}

TEST_CASE("a tokenizer.json that is not understood is refused by member, finding and choice") {
  const auto refused = [](const std::string& kind, auto&& change,
                          const std::vector<std::string>& expected) {
    json::object file = golden_json(kind);
    change(file);
    const std::string message = refusal(file);
    INFO(message);
    CHECK(message.find("tokenizer.json") == 0);
    for (const auto& part : expected) CHECK(message.find(part) != std::string::npos);
  };
  const auto model = [](json::object& file) -> json::object& { return file["model"].as_object(); };
  refused("qwen2",
          [](auto& f) {
            f["normalizer"] = json::object{{"type", "Precompiled"}};
          },
          {"normalizer", "type 'Precompiled' is unknown", "known: Sequence, NFC"});
  refused("qwen2",
          [](auto& f) {
            f["normalizer"] = json::object{{"type", "NFC"}, {"x", 1}};
          },
          {"normalizer", "'x'"});
  refused("qwen2",
          [](auto& f) {
            f["pre_tokenizer"] = json::object{{"type", "UnicodeScripts"}};
          },
          {"pre_tokenizer", "'UnicodeScripts' is unknown", "ByteLevel"});
  refused("qwen2",
          [](auto& f) {
            f["decoder"] = json::object{{"type", "CTC"}};
          },
          {"decoder", "'CTC' is unknown"});
  refused("qwen2",
          [](auto& f) {
            f["post_processor"] = json::object{{"type", "X"}};
          },
          {"post_processor", "'X' is unknown"});
  refused("qwen2", [](auto& f) { f["surprise"] = 1; }, {"'surprise'"});
  refused("qwen2", [](auto& f) { f.erase("model"); }, {"'model'"});
  refused("qwen2", [&](auto& f) { model(f)["type"] = "WordLevel"; },
          {"model", "'WordLevel' is unknown", "BPE, WordPiece, Unigram"});
  refused("qwen2", [&](auto& f) { model(f)["dropout"] = 0.1; }, {"dropout", "random"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"] = json::array(); }, {"vocab", "an array"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"] = json::object(); }, {"vocab", "none"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"].as_object()["a"] = -1; }, {"'a'", "-1"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"].as_object()["a"] = 1e30; }, {"'a'", "2^24"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"].as_object()["a"] = 4'000'000'000; }, {"2^24"});
  refused("qwen2", [&](auto& f) { model(f)["vocab"].as_object()["a"] = 5; },
          {"every id once", "5"});
  refused("qwen2", [&](auto& f) { model(f)["merges"].as_array()[3] = "a"; },
          {"merges[3]", "no space"});
  refused("qwen2", [&](auto& f) { model(f)["merges"].as_array()[3] = "a qqqq"; },
          {"merges[3]", "'qqqq', which is no token"});
  refused("qwen2", [&](auto& f) { model(f)["merges"].as_array()[3] = 7; },
          {"merges[3]", "another form"});
  refused("llama2", [&](auto& f) { model(f)["unk_token"] = "?!?"; }, {"unk_token", "?!?"});
  refused("bert", [&](auto& f) { model(f)["unk_token"] = "?!?"; }, {"unk_token", "?!?"});
  refused("unigram", [&](auto& f) { model(f)["unk_id"] = 100000; }, {"unk_id", "100000"});
  refused("unigram", [&](auto& f) { model(f)["unk_id"] = nullptr; }, {"unk_id", "none"});
  refused("unigram",
          [&](auto& f) {
            model(f)["unk_id"] = 9;
            model(f)["vocab"].as_array()[9].as_array()[0] = "";
          },
          {"unk_id", "token 9, which is empty"});
  refused("unigram",
          [&](auto& f) { model(f)["vocab"].as_array()[9] = model(f)["vocab"].as_array()[8]; },
          {"vocab[9]", "every token once"});
  refused("unigram", [&](auto& f) { model(f)["vocab"].as_array()[9] = json::array({"x"}); },
          {"vocab[9]"});
  refused("qwen2", [](auto& f) { f["added_tokens"].as_array()[0].as_object()["id"] = 9; },
          {"added_tokens[0]", "found 9"});
  refused("qwen2", [](auto& f) { f["added_tokens"].as_array()[1].as_object()["id"] = 100000; },
          {"added_tokens[1]", "the next free one", "found 100000"});
  refused("llama2", [](auto& f) { f["post_processor"].as_object()["single"] = json::array(); },
          {"single", "every text once"});
  refused("llama2",
          [](auto& f) { f["post_processor"].as_object()["special_tokens"] = json::object(); },
          {"special_tokens", "<s>"});
  refused("llama2",
          [](auto& f) {
            auto& special = f["post_processor"].as_object()["special_tokens"].as_object();
            special["<s>"].as_object()["ids"] = json::array({99999});
          },
          {"post_processor", "99999"});
  refused("mistral", [](auto& f) { f["pre_tokenizer"].as_object()["prepend_scheme"] = "last"; },
          {"prepend_scheme", "'last' is unknown"});
  refused("mistral", [](auto& f) { f["pre_tokenizer"].as_object()["replacement"] = "ab"; },
          {"replacement", "one character"});
}

TEST_CASE("regular expressions that PCRE2 reads otherwise are refused with their place") {
  const auto refused = [](std::string_view expression, const std::string& expected) {
    const std::string message = test::error_of(
        ErrorKind::kModel, [&] { pcre2_from_oniguruma(expression, "tokenizer.json"); });
    INFO(message);
    CHECK(message.find(expected) != std::string::npos);
  };
  refused("a\\h", "byte 1");
  refused("[a[b]]", "a class in a class");
  refused("[a&&b]", "an intersection");
  refused("[\\W]", "not in a class");
  refused("a{2}+", "a plus behind an interval");
  refused("(?<name>a)", "known groups");
  refused("a(?i)b", "known groups");
  refused("a(?m:.)", "known groups");
  refused("\\1", "known escapes");
  refused("\\xff", "up to 7f");
  refused("[]", "an empty class");
  refused("[a", "a class without end");
  refused("a\\", "nothing follows");
  refused("\\u12", "four hexadecimal digits");
  CHECK(pcre2_from_oniguruma("\\s+(?!\\S)|[^\\s\\p{L}]", "x") ==
        "\\p{White_Space}+(?!\\P{White_Space})|[^\\p{White_Space}\\p{L}]");
  CHECK_THROWS_AS(Regex("(", "tokenizer.json"), Error);
  // Exponential matching ends with an error instead of a hang.
  const Regex slow("(a|aa)+\\z", "tokenizer.json");
  CHECK_THROWS_AS(slow.split(std::string(200, 'a') + "b", [](std::string_view, bool) {}), Error);
}

TEST_CASE("truncated, flipped and hostile JSON gives an error or another tokenizer") {
  RandomStream random(21);
  for (const char* kind : {"llama3", "unigram", "bert", "llama2"}) {
    const std::string whole = golden_text(kind);
    for (int i = 0; i < 60; ++i) {
      std::string text = whole;
      if (i % 3 == 0) {
        text.resize(random.below(text.size()));
      } else {
        // In front, where the members are that decide; the vocabulary behind is most of the file.
        const std::size_t at = random.below(i % 3 == 1 ? 2000 : text.size());
        text[at] = static_cast<char>(text[at] ^ (1 << random.below(7)));
      }
      INFO(kind << " " << i);
      try {
        const auto tokenizer = make_json_tokenizer(text, "tokenizer.json", {});
        tokenizer->decode(tokenizer->encode("Some text, 42", true), false);
      } catch (const Error& error) {
        REQUIRE(error.kind() == ErrorKind::kModel);
      }
    }
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"normalizer\":";
  CHECK_THROWS_AS(make_json_tokenizer(deep, "tokenizer.json", {}), Error);
}

TEST_CASE("a folder says which of its files is wrong") {
  const test::TempDir dir;
  const auto copy = [&](const std::string& kind) {
    test::write_bytes(dir / "tokenizer.json", golden_text(kind));
  };
  const auto message = [&] {
    return test::error_of(ErrorKind::kModel, [&] { open_tokenizer(dir.path()); });
  };
  CHECK(message().find("add the files of the published checkpoint") != std::string::npos);
  // As OPT was published.
  test::write_bytes(dir / "vocab.json", "{}");
  CHECK(message().find("it holds vocab.json: AutoTokenizer.from_pretrained") != std::string::npos);
  copy("llama2");
  test::write_bytes(dir / "tokenizer_config.json", R"({"bos_token": "<nope>"})");
  CHECK(message().find("tokenizer_config.json: bos_token: expected a token") != std::string::npos);
  test::write_bytes(dir / "special_tokens_map.json", R"({"bos_token": "<none>"})");
  CHECK(message().find("special_tokens_map.json: bos_token: expected a token of the vocabulary, "
                       "found '<none>'") != std::string::npos);
  std::filesystem::remove(dir / "special_tokens_map.json");
  test::write_bytes(dir / "tokenizer_config.json", R"({"bos_token": 3})");
  CHECK(message().find("bos_token") != std::string::npos);
  test::write_bytes(
      dir / "tokenizer_config.json",
      R"({"tokenizer_class": "LlamaTokenizer", "add_eos_token": true, "bos_token": "<s>"})");
  CHECK(message().find("'eos_token'") != std::string::npos);
  // The class decides by its flags; the list of templates has names; a file replaces them.
  test::write_bytes(dir / "tokenizer_config.json",
                    R"({"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false,
                        "add_eos_token": true, "bos_token": {"content": "<s>"},
                        "chat_template": [{"name": "default", "template": "member"},
                                          {"name": "tool_use", "template": "tools"}]})");
  test::write_bytes(dir / "special_tokens_map.json", R"({"eos_token": "</s>"})");
  CHECK(read_chat_settings(dir.path()).templates.at("tool_use").text == "tools");
  test::write_bytes(dir / "chat_template.jinja", "file");
  const auto tokenizer = open_tokenizer(dir.path());
  CHECK_FALSE(tokenizer->adds_bos());
  CHECK(tokenizer->bos_id() == 1);
  CHECK(tokenizer->eos_ids() == std::vector<std::int64_t>{2});
  CHECK(tokenizer->encode_with_special("", {}, false).ids == std::vector<std::int64_t>{2});
  const auto chat = read_chat_settings(dir.path());
  CHECK(chat.templates.at("default").text == "file");
  CHECK(chat.templates.size() == 1);
  CHECK(chat.special_tokens.at("eos_token") == "</s>");
}

TEST_CASE("a SentencePiece model is checked, and tokens beyond it are not forgotten") {
  const test::TempDir dir;
  test::write_bytes(dir / "tokenizer.model", "not a model");
  const auto message = [&] {
    return test::error_of(ErrorKind::kModel, [&] { open_tokenizer(dir.path()); });
  };
  CHECK(message().find("expected a SentencePiece model") != std::string::npos);
  test::write_bytes(dir / "tokenizer.model",
                    test::bytes_of(test::golden("tokenizer/spm512.model")));
  test::write_bytes(dir / "added_tokens.json", R"({"<|user|>": 512})");
  CHECK(message().find("id 512 among the added tokens") != std::string::npos);
  test::write_bytes(dir / "added_tokens.json", R"({"<s>": 1})");
  test::write_bytes(dir / "tokenizer_config.json", R"({"add_bos_token": false})");
  CHECK_FALSE(open_tokenizer(dir.path())->adds_bos());
}

TEST_CASE("a word of 100,000 letters and a megabyte of one character end in every kind") {
  RandomStream random(8);
  std::string word;
  for (int i = 0; i < 100'000; ++i) word += static_cast<char>('a' + random.below(26));
  std::vector<std::string> texts = {word};
  for (const char* piece : {"a", " ", "\n", "7", "!", "<", "\xe4\xb8\xad", "\xcc\x81", " \n"}) {
    std::string text;
    while (text.size() < 300'000) text += piece;
    texts.push_back(text + "x");
  }
  const test::TempDir dir;
  std::vector<std::filesystem::path> files;
  for (const char* kind : kKinds) files.push_back(test::golden("tokenizer/json") / kind);
  files.push_back(dir / "pieces.gguf");
  test::write_bytes(files.back(), test::spm512_gguf().bytes());
  files.push_back(dir / "pieces");
  std::filesystem::create_directory(files.back());
  std::filesystem::copy_file(test::golden("tokenizer/spm512.model"),
                             files.back() / "tokenizer.model");
  for (const auto& file : files) {
    const std::string kind = file.filename().string();
    const auto tokenizer = open_tokenizer(file);
    for (const std::string& text : texts) {
      INFO(kind << ": " << text.substr(0, 4));
      const auto ids = tokenizer->encode(text, true);
      CHECK(ids.size() <= text.size() + 1);
      tokenizer->decode(ids, false);
    }
  }
}

TEST_CASE("the content hash of a folder follows what decides ids") {
  const std::string text = golden_text("llama2");
  const auto hash = [&](const HfTokenizerConfig& config) {
    return make_json_tokenizer(text, "tokenizer.json", config)->content_sha256();
  };
  HfTokenizerConfig config;
  const std::string plain = hash(config);
  CHECK(plain == hash(config));
  config.chat.templates["default"].text = "no part of ids";
  CHECK(hash(config) == plain);
  config.chat.special_tokens["bos_token"] = "<s>";
  CHECK(hash(config) != plain);
}

}  // namespace
}  // namespace lethe::models
