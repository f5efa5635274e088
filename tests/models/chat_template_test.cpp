// SPDX-License-Identifier: Apache-2.0
// Chat templates of models against transformers, and where templates are found.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/models/file_support.h"
#include "tests/models/gguf_writer.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

using Catch::Matchers::Contains;

std::vector<json::value> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<json::value> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(parse_json(line, path.string(), ErrorKind::kData));
  }
  return lines;
}

std::string text_of(const json::value& value) {
  return std::string(value.as_string());
}

std::optional<std::string> optional_text(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found == nullptr ? std::nullopt : std::optional(text_of(*found));
}

ChatOptions options_of(const json::object& golden) {
  ChatOptions options;
  options.add_generation_prompt = golden.at("add_generation_prompt").as_bool();
  if (const json::value* tools = golden.if_contains("tools")) options.tools = *tools;
  if (const json::value* further = golden.if_contains("variables")) {
    options.variables = further->as_object();
  }
  return options;
}

TEST_CASE("the default model's template renders the golden texts and ids", "[golden]") {
  const auto chat = open_chat_template(test::default_model());
  REQUIRE(chat.has_value());
  const json::value source =
      read_json_file(test::golden("tokenizer/chat_template_source.json"), ErrorKind::kData);
  const ChatTemplate from_source(text_of(source.at("template")), "the golden source");
  const auto tokenizer = open_tokenizer(test::default_model());
  const auto cases = lines_of(test::golden("tokenizer/chat_template.jsonl"));
  CHECK(cases.size() == 10);
  for (const json::value& golden : cases) {
    INFO(json::serialize(golden.at("messages")));
    const ChatOptions options = options_of(golden.as_object());
    const std::string text = chat->render(golden.at("messages"), options);
    CHECK(text == text_of(golden.at("rendered")));
    CHECK(from_source.render(golden.at("messages"), options) == text);
    std::vector<std::int64_t> ids;
    for (const json::value& id : golden.at("ids").as_array()) ids.push_back(id.as_int64());
    CHECK(tokenizer->encode(text, true) == ids);
  }
}

TEST_CASE("templates of the supported families render as in transformers", "[golden]") {
  std::set<std::string> families;
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::golden("tokenizer"))) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("jinja_chat_")) continue;
    families.insert(name);
    const auto lines = lines_of(entry.path());
    REQUIRE(lines.size() > 12);
    const json::object& head = lines[0].as_object();
    std::map<std::string, std::string> tokens;
    for (const char* role : {"bos_token", "eos_token"}) {
      if (const auto text = optional_text(head, role)) tokens.emplace(role, *text);
    }
    const ChatTemplate chat(text_of(head.at("template")), name, tokens);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const json::object& golden = lines[i].as_object();
      INFO(name << " " << json::serialize(lines[i]));
      if (!golden.contains("error")) {
        CHECK(chat.render(golden.at("messages"), options_of(golden)) ==
              text_of(golden.at("rendered")));
        continue;
      }
      ++refused;
      const std::string message = test::error_of(
          ErrorKind::kModel, [&] { chat.render(golden.at("messages"), options_of(golden)); });
      CHECK_THAT(message, Contains(name + ": line ") &&
                              Contains(optional_text(golden, "message").value_or("")));
    }
  }
  CHECK(families.size() == 12);
  CHECK(refused > 30);
}

TEST_CASE("a folder's template is its file, else that of its tokenizer_config.json") {
  const test::TempDir folder;
  const json::value messages = json::array{json::object{{"role", "user"}, {"content", "x"}}};
  CHECK_FALSE(open_chat_template(folder.path()).has_value());

  const auto config = folder / "tokenizer_config.json";
  for (const char* without : {R"({"bos_token": null})", R"({"chat_template": []})"}) {
    test::write_bytes(config, without);
    CHECK_FALSE(open_chat_template(folder.path()).has_value());
  }
  test::write_bytes(config, R"({"chat_template": "{{ bos_token }}c{{ eos_token }}",
                                "bos_token": "<s>", "eos_token": {"content": "</s>"}})");
  CHECK(open_chat_template(folder.path())->render(messages) == "<s>c</s>");
  test::write_bytes(config, R"({"chat_template": [{"name": "rag", "template": "r"},
                                                  {"name": "default", "template": "d"}]})");
  CHECK(open_chat_template(folder.path())->render(messages) == "d");
  test::write_bytes(config, R"({"chat_template": "member", "bos_token": "<b>"})");
  test::write_bytes(folder / "chat_template.jinja", "{{ messages[0].content }}f{{ bos_token }}\n");
  CHECK(open_chat_template(folder.path())->render(messages) == "xf<b>");
}

TEST_CASE("special tokens and templates of a folder are those that transformers takes",
          "[golden]") {
  const json::value messages = json::array{json::object{{"role", "user"}, {"content", "x"}}};
  const auto cases = lines_of(test::golden("tokenizer/special_tokens.jsonl"));
  CHECK(cases.size() == 29);
  for (const json::value& golden : cases) {
    INFO(json::serialize(golden));
    const test::TempDir folder;
    std::filesystem::copy_file(test::golden("tokenizer/json/llama2/tokenizer.json"),
                               folder / "tokenizer.json");
    for (const auto& file : golden.at("files").as_object()) {
      test::write_bytes(folder / std::string(file.key()), file.value().is_string()
                                                              ? text_of(file.value())
                                                              : json::serialize(file.value()));
    }
    const auto tokenizer = open_tokenizer(folder.path());
    const auto id = [](const std::optional<std::int64_t>& found) {
      return found ? json::value(*found) : json::value(nullptr);
    };
    CHECK(id(tokenizer->bos_id()) == golden.at("bos_id"));
    CHECK(id(tokenizer->eos_id()) == golden.at("eos_id"));
    for (const char* form : {"rendered", "tools"}) {
      const bool with_tools = std::string_view(form) == "tools";
      const auto chat = open_chat_template(folder.path(), with_tools);
      const auto expected = optional_text(golden.as_object(), form);
      CHECK(chat.has_value() == expected.has_value());
      if (!chat || !expected) continue;
      ChatOptions options;
      if (with_tools) options.tools = json::array();
      CHECK(chat->render(messages, options) == *expected);
    }
  }
}

TEST_CASE("a GGUF file's template is in its metadata, with the texts of its tokens") {
  const test::TempDir folder;
  const auto written = [&](const test::GgufWriter& writer) {
    test::write_bytes(folder / "model.gguf", writer.bytes());
    return folder / "model.gguf";
  };
  test::GgufWriter writer;
  writer.texts("tokenizer.ggml.tokens", {"<s>", "</s>", "\xff"});
  CHECK_FALSE(open_chat_template(written(writer)).has_value());
  writer.text("tokenizer.chat_template", "{{ bos_token }}x{{ eos_token is defined }}");
  CHECK(open_chat_template(written(writer))->render(json::array()) == "xFalse");
  writer.uint32("tokenizer.ggml.bos_token_id", 0);
  const test::GgufWriter with_bos = writer;
  writer.uint32("tokenizer.ggml.eos_token_id", 1);
  CHECK(open_chat_template(written(writer))->render(json::array()) == "<s>xTrue");
  for (const std::uint32_t wrong : {2U, 3U}) {
    test::GgufWriter damaged = with_bos;
    damaged.uint32("tokenizer.ggml.eos_token_id", wrong);
    CHECK_THAT(test::error_of(ErrorKind::kModel, [&] { open_chat_template(written(damaged)); }),
               Contains("eos_token_id") && Contains("found"));
  }
}

TEST_CASE("a damaged template or configuration is refused with its place") {
  const test::TempDir folder;
  const auto config = folder / "tokenizer_config.json";
  const std::pair<std::string, std::string> cases[] = {
      {"[]", "expected an object, found an array"},
      {R"({"chat_template": 5})", "expected a string or a list, found"},
      {R"({"chat_template": [{"name": "rag", "template": "r"}]})", "found these: rag"},
      {R"({"chat_template": [{"template": "r"}]})", "name"},
      {R"({"chat_template": "{% if %}"})", "chat_template: line 1, column 7"},
      {R"({"chat_template": "", "bos_token": 1})", "bos_token: expected a string"},
      {R"({"chat_template": "", "eos_token": {}})", "eos_token: member 'content' is missing"},
      {"{", "tokenizer_config.json"}};
  for (const auto& [text, expected] : cases) {
    INFO(text);
    test::write_bytes(config, text);
    CHECK_THAT(test::error_of(ErrorKind::kModel, [&] { open_chat_template(folder.path()); }),
               Contains(expected) && Contains("tokenizer_config.json"));
  }
  CHECK_THAT(test::error_of(ErrorKind::kModel, [&] { open_chat_template(folder / "absent"); }),
             Contains("absent"));
}

TEST_CASE("a template that asks for the time gets the one given") {
  const ChatTemplate chat("{{ strftime_now('%d %b %Y') }}", "t");
  ChatOptions options;
  options.now = std::tm{};
  options.now->tm_year = 126;
  options.now->tm_mday = 5;
  CHECK(chat.render(json::array(), options) == "05 Jan 2026");
  CHECK_THAT(test::error_of(ErrorKind::kModel, [&] { chat.render(json::array()); }),
             Contains("time"));
}

}  // namespace
}  // namespace lethe::models
