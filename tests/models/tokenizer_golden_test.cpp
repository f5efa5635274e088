// SPDX-License-Identifier: Apache-2.0
// The tokenizer of the default model against the goldens, id by id.
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::models {
namespace {

using test::ids_of;
using test::text_of;

const Tokenizer& smollm2() {
  static const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(test::default_model());
  return *tokenizer;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST_CASE("golden strings become the golden ids and back") {
  const auto cases = test::golden_lines("tokenizer/smollm2_bpe.jsonl");
  REQUIRE(cases.size() == 344);
  for (const json::value& item : cases) {
    const std::string text = text_of(item.at("text"));
    INFO(text);
    const auto ids_special = ids_of(item.at("ids_special"));
    CHECK(smollm2().encode(text, false) == ids_of(item.at("ids")));
    CHECK(smollm2().encode(text, true) == ids_special);
    CHECK(printable_utf8(smollm2().decode(ids_special, false)) == text_of(item.at("decoded")));
    CHECK(printable_utf8(smollm2().decode(ids_special, true)) ==
          text_of(item.at("decoded_skip_special")));
  }
}

TEST_CASE("golden ids decode to the golden bytes") {
  const auto cases = test::golden_lines("tokenizer/smollm2_decode.jsonl");
  REQUIRE(cases.size() == 17);
  for (const json::value& item : cases) {
    const auto ids = ids_of(item.at("ids"));
    const std::string bytes = smollm2().decode(ids, false);
    CHECK(hex(bytes) == text_of(item.at("bytes_hex")));
    CHECK(printable_utf8(bytes) == text_of(item.at("decoded")));
    CHECK(printable_utf8(smollm2().decode(ids, true)) == text_of(item.at("decoded_skip_special")));
  }
}

TEST_CASE("20 kB of a book become the golden ids and decode to themselves") {
  const json::value golden =
      read_json_file(test::golden("tokenizer/smollm2_bpe_20kb.json"), ErrorKind::kData);
  const std::string text = text_of(golden.at("text"));
  const auto ids = smollm2().encode(text, false);
  CHECK(ids == ids_of(golden.at("ids")));
  CHECK(smollm2().decode(ids, false) == text);
}

TEST_CASE("the default model's tokenizer facts") {
  const json::value meta =
      read_json_file(test::golden("tokenizer/smollm2_meta.json"), ErrorKind::kData);
  CHECK(smollm2().vocab_size() == meta.at("n_tokens").as_int64());
  CHECK(smollm2().bos_id() == meta.at("gguf").at("tokenizer.ggml.bos_token_id").as_int64());
  CHECK(smollm2().eos_id() == meta.at("gguf").at("tokenizer.ggml.eos_token_id").as_int64());
  CHECK(smollm2().adds_bos() == meta.at("gguf").at("tokenizer.ggml.add_bos_token").as_bool());
  for (const auto& [text, id] : meta.at("special_tokens").as_object()) {
    const std::vector<std::int64_t> expected = {id.as_int64()};
    CHECK(smollm2().encode(text, true) == expected);
    CHECK(smollm2().encode(text, false).size() > 1);
    CHECK(smollm2().decode(expected, false) == text);
    CHECK(smollm2().decode(expected, true).empty());
  }
}

}  // namespace
}  // namespace lethe::models
