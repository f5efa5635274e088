// SPDX-License-Identifier: Apache-2.0
// Prompts against LongBench's own and against Hugging Face tokenizers.
#include <map>
#include <memory>

#include "harness/base/hash.h"
#include "models/tokenizer/tokenizer.h"
#include "tasks/answer_prompt.h"
#include "tasks/datasets/record_file.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/tasks/fake_model.h"

namespace lethe::tasks {
namespace {

using Catch::Matchers::Contains;

AnswerDeclaration declared(const std::string& name) {
  return read_answer_declaration(test::source_dir() / "data" / "tasks" / (name + ".json"));
}

/// Records of the shipped sample, by id.
std::map<std::string, AnswerRecord> shipped(const AnswerDeclaration& task) {
  std::map<std::string, AnswerRecord> records;
  std::size_t number = 0;
  read_records(test::source_dir() / task.sample.value(),
               [&](const json::object& object, const std::string& where) {
                 for (auto& record : task.records.samples(json::value(object), number++, where)) {
                   records[record.id] = record;
                 }
               });
  return records;
}

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// A task whose prompt is "[DOCUMENT|QUESTION]", cut as `cut` says.
AnswerDeclaration small_task(CutRule cut) {
  AnswerDeclaration task;
  task.name = "small";
  task.prompt = "[{context}|{input}]";
  task.document = "context";
  task.cut = cut;
  task.chat = false;
  task.max_new = 4;
  return task;
}

AnswerRecord record_of(const std::string& document, const std::string& question) {
  AnswerRecord record;
  record.id = "r";
  record.fields = {{"context", document}, {"input", question}};
  return record;
}

AnswerPrompt made(const AnswerDeclaration& task, const AnswerRecord& record, std::int64_t limit,
                  const models::ChatTemplate* chat = nullptr, bool strictly = false) {
  static const test::ByteTokenizer tokenizer;
  return make_answer_prompt(task, record, limit, strictly, tokenizer, chat);
}

TEST_CASE("filled prompts and settings are LongBench's", "[golden]") {
  std::map<std::string, std::map<std::string, AnswerRecord>> records;
  int cases = 0;
  for (const auto& golden : test::golden_lines("prompts/longbench.jsonl")) {
    const auto name = test::text_of(golden.at("task"));
    CAPTURE(name);
    const auto task = declared("longbench-" + name);
    if (!records.contains(name)) records[name] = shipped(task);
    const auto id = test::text_of(golden.at("source").at("_id"));
    REQUIRE(records[name].contains(id));
    const auto prompt = filled_prompt(task, records[name].at(id));
    CHECK(sha256_hex(prompt) == test::text_of(golden.at("prompt_sha256_utf8")));
    CHECK(static_cast<std::int64_t>(prompt.size()) == golden.at("prompt_bytes").as_int64());
    CHECK(static_cast<std::int64_t>(code_points(prompt)) == golden.at("prompt_chars").as_int64());
    CHECK(task.max_new == golden.at("max_new_tokens").as_int64());
    CHECK(task.chat == golden.at("chat_template").as_bool());
    CHECK((task.end_token_of == "\n") == golden.at("stops_at_newline").as_bool());
    CHECK((task.min_new == 1) == golden.at("stops_at_newline").as_bool());
    ++cases;
  }
  CHECK(cases >= 19);
}

TEST_CASE("the middle is cut as pred.py cuts it, token for token", "[golden]") {
  std::map<std::string, std::unique_ptr<models::Tokenizer>> tokenizers;
  std::map<std::string, std::map<std::string, AnswerRecord>> records;
  int cut = 0;
  for (const auto& golden : test::golden_lines("prompts/middle.jsonl")) {
    const auto name = test::text_of(golden.at("task"));
    const auto tokens_of = test::text_of(golden.at("tokenizer"));
    const auto limit = golden.at("limit").as_int64();
    CAPTURE(name, tokens_of, limit);
    auto task = declared("longbench-" + name);
    task.chat = false;
    if (!records.contains(name)) records[name] = shipped(task);
    auto& tokenizer = tokenizers[tokens_of];
    if (!tokenizer) tokenizer = models::open_tokenizer(test::golden("tokenizer/json/" + tokens_of));
    const auto prompt =
        make_answer_prompt(task, records[name].at(test::text_of(golden.at("id"))), limit,
                           /*strictly=*/false, *tokenizer, nullptr);
    CHECK(sha256_hex(prompt.text) == test::text_of(golden.at("text_sha256")));
    const auto whole = golden.at("whole").as_int64();
    REQUIRE(prompt.cut.has_value() == (whole > limit));
    std::string ids;
    for (const auto id : prompt.tokens) ids += (ids.empty() ? "" : " ") + std::to_string(id);
    CHECK(static_cast<std::int64_t>(prompt.tokens.size()) == golden.at("tokens").as_int64());
    CHECK(sha256_hex(ids) == test::text_of(golden.at("ids_sha256")));
    if (!prompt.cut) continue;
    ++cut;
    CHECK(prompt.cut->from == limit / 2);
    CHECK(prompt.cut->tokens == whole - 2 * (limit / 2));
  }
  CHECK(cut > 60);
}

TEST_CASE("a document loses its end until the prompt fits", "[unit]") {
  const auto task = small_task(CutRule::kDocumentEnd);
  const auto record = record_of("0123456789", "why");
  CHECK(made(task, record, 16).text == "[0123456789|why]");
  CHECK_FALSE(made(task, record, 16).cut);
  const auto cut = made(task, record, 12);
  CHECK(cut.text == "[012345|why]");
  CHECK(cut.tokens.size() == 12);
  REQUIRE(cut.cut);
  CHECK(cut.cut->from == 7);
  CHECK(cut.cut->tokens == 4);
  CHECK_THROWS_WITH(made(task, record, 6), Contains("sample r") && Contains("longer length"));

  auto marked = task;
  marked.separator = "…";
  CHECK(made(marked, record, 12).text == "[012…|why]");  // three bytes
  // No character is cut in two.
  CHECK(made(task, record_of("ab\u00e9\u00e9", "q"), 9).text == "[ab\u00e9|q]");
  CHECK(made(task, record_of("ab\u00e9\u00e9", "q"), 8).text == "[ab\u00e9|q]");
  CHECK(made(task, record_of("ab\u00e9\u00e9", "q"), 7).text == "[ab|q]");
}

TEST_CASE("what is filled in is not filled in again, and other braces stay", "[unit]") {
  auto task = small_task(CutRule::kMiddle);
  CHECK(filled_prompt(task, record_of("{input} {x}", "{context}")) == "[{input} {x}|{context}]");
  task.prompt = "{} {a b} {context}{input} {";
  CHECK(filled_prompt(task, record_of("c", "i")) == "{} {a b} ci {");
}

TEST_CASE("chat templates stand around what is left; a strict limit holds with them", "[unit]") {
  const models::ChatTemplate chat(
      "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}"
      "{% if add_generation_prompt %}A:{% endif %}",
      "test");
  auto task = small_task(CutRule::kMiddle);
  const auto record = record_of("0123456789", "why");
  CHECK(made(task, record, 16, &chat).text == "[0123456789|why]");  // the task wants no chat
  task.chat = true;
  CHECK(made(task, record, 16, &chat).text == "<[0123456789|why]>A:");
  CHECK(made(task, record, 12, &chat).text == "<[012349|why]>A:");
  const auto strict = made(task, record, 12, &chat, true);
  CHECK(strict.tokens.size() <= 12);
  CHECK(strict.text == "<[012why]>A:");
  CHECK_THROWS_WITH(made(task, record, 5, &chat, true), Contains("larger budget"));
}

TEST_CASE("a BOS the template has written is not doubled, and a second one is refused", "[unit]") {
  /// Byte 299 is BOS; "\x01" is its text.
  class Bos final : public test::ByteTokenizer {
   public:
    Bos() : ByteTokenizer(true) {}
    std::vector<std::int64_t> encode(std::string_view text, bool special) const override {
      auto ids = ByteTokenizer::encode(text, special);
      std::replace(ids.begin(), ids.end(), std::int64_t{1}, std::int64_t{299});
      return ids;
    }
  };
  const Bos tokenizer;
  const auto bos_of = [&](const std::string& source) {
    auto task = small_task(CutRule::kMiddle);
    task.chat = true;
    const models::ChatTemplate chat(source, "test");
    return make_answer_prompt(task, record_of("d", "q"), 100, false, tokenizer, &chat).bos_count;
  };
  CHECK(bos_of("{{ messages[0].content }}") == 1);
  CHECK(bos_of("\x01{{ messages[0].content }}") == 1);
  CHECK_THROWS_WITH(bos_of("\x01\x01{{ messages[0].content }}"),
                    Contains("BOS") && Contains("found 2"));
}

TEST_CASE("the tokens before a question are those of the document and what precedes it", "[unit]") {
  const auto task = small_task(CutRule::kDocumentEnd);
  const test::ByteTokenizer tokenizer;
  const auto record = record_of("0123456789", "why");
  const auto prompt = made(task, record, 12);
  CHECK(tokens_before_question(task, record, prompt, tokenizer) == 7);  // "[012345"
  const auto middle = small_task(CutRule::kMiddle);
  CHECK_THROWS_WITH(tokens_before_question(middle, record, made(middle, record, 12), tokenizer),
                    Contains("document-end"));
}

}  // namespace
}  // namespace lethe::tasks
