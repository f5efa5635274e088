// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/folder_tokenizer.h"

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/tokenizer/hf_tokenizer_config.h"
#include "models/tokenizer/sentencepiece_tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"

namespace lethe::models {
namespace {

// What the folder holds instead decides the advice.
std::string advice(const std::filesystem::path& folder) {
  for (const char* name : {"vocab.json", "vocab.txt", "spiece.model", "tekken.json"}) {
    if (std::filesystem::exists(folder / name)) {
      return std::string("it holds ") + name +
             ": AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers "
             "writes its tokenizer.json";
    }
  }
  return "add the files of the published checkpoint";
}

}  // namespace

std::unique_ptr<Tokenizer> open_folder_tokenizer(const std::filesystem::path& folder) {
  const HfTokenizerConfig config = read_hf_tokenizer_config(folder);
  if (const auto file = folder / "tokenizer.json"; std::filesystem::exists(file)) {
    return make_json_tokenizer(read_file(file, ErrorKind::kModel), file.string(), config);
  }
  if (const auto file = folder / "tokenizer.model"; std::filesystem::exists(file)) {
    return make_sentencepiece_tokenizer(read_file(file, ErrorKind::kModel), file.string(), config);
  }
  throw Error(ErrorKind::kModel, folder.string() +
                                     ": expected tokenizer.json or tokenizer.model in the folder, "
                                     "found neither; " +
                                     advice(folder));
}

}  // namespace lethe::models
