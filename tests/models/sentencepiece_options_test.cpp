// SPDX-License-Identifier: Apache-2.0
// The options of SentencePiece models against what the sentencepiece package makes of the same
// files, and the same vocabularies as GGUF stores them.
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/models/file_support.h"
#include "tests/models/spm_gguf.h"
#include "tests/models/tokenizer_support.h"
#include "tests/support/catch.h"

namespace lethe::models {
namespace {

using test::ids_of;
using test::text_of;

/// A golden model: what it was trained with, its pieces, and texts with their ids.
struct Golden {
  explicit Golden(const std::string& name)
      : lines(test::golden_lines("tokenizer/spm_options/" + name + ".jsonl")) {
    REQUIRE(lines.size() > 60);
  }
  bool option(const char* name, bool by_default) const {
    const auto* value = lines[0].at("options").as_object().if_contains(name);
    return value == nullptr ? by_default : value->as_bool();
  }

  std::vector<json::value> lines;
};

void check(const Tokenizer& tokenizer, const Golden& golden) {
  CHECK(tokenizer.vocab_size() ==
        static_cast<std::int64_t>(golden.lines[0].at("pieces").as_array().size()));
  for (std::size_t i = 1; i < golden.lines.size(); ++i) {
    const json::value& item = golden.lines[i];
    INFO(json::serialize(item));
    const auto ids = ids_of(item.at("ids"));
    CHECK(tokenizer.encode(text_of(item.at("text")), false) == ids);
    const auto* decoded = item.as_object().if_contains("decoded");
    if (decoded != nullptr) CHECK(tokenizer.decode(ids, true) == text_of(*decoded));
  }
}

TEST_CASE("SentencePiece models of every option give the ids of the sentencepiece package",
          "[golden]") {
  int models = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::golden("tokenizer/spm_options"))) {
    if (entry.path().extension() != ".model") continue;
    ++models;
    INFO(entry.path().stem().string());
    const test::TempDir folder;
    std::filesystem::copy_file(entry.path(), folder / "tokenizer.model");
    check(*open_tokenizer(folder.path()), Golden(entry.path().stem().string()));
  }
  CHECK(models == 10);
}

TEST_CASE("the vocabularies of BPE models give the same ids in GGUF files", "[golden]") {
  const test::TempDir folder;
  for (const char* name :
       {"bpe_unknown", "bpe_unknown_bare", "bpe_bytes_bare", "bpe_bytes_spaces", "bpe_symbols"}) {
    INFO(name);
    const Golden golden(name);
    const auto writer = test::spm_gguf(golden.lines[0].at("pieces").as_array(),
                                       golden.option("add_dummy_prefix", true));
    test::write_bytes(folder / "m.gguf", writer.bytes());
    check(*open_tokenizer(folder / "m.gguf"), golden);
  }
}

}  // namespace
}  // namespace lethe::models
