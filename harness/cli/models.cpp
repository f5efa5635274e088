// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/models.h"

#include <algorithm>
#include <cstdlib>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/names.h"
#include "harness/cli/root.h"
#include "models/checkpoint/checkpoint.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

std::string custom_name(const fs::path& path) {
  const auto name = path.filename().empty() ? path.parent_path().filename() : path.filename();
  return "custom:" + name.string();
}

ResolvedModel named_by_content(const fs::path& path, const std::vector<RegisteredModel>& models) {
  const std::string sha256 = weights_sha256(path, Hashing::kRemembered);
  for (const auto& model : models) {
    if (model.sha256 == sha256) return {model.name, path, sha256};
  }
  return {custom_name(path), path, sha256};
}

ResolvedModel resolve_registered(const RegisteredModel& model,
                                 const std::vector<RegisteredModel>& models) {
  const char* elsewhere =
      model.path_variable.empty() ? nullptr : std::getenv(model.path_variable.c_str());
  if (elsewhere && *elsewhere) {
    if (!fs::exists(elsewhere)) {
      throw Error(ErrorKind::kModel, "model " + model.name + ": " + model.path_variable + " is " +
                                         elsewhere + ", and there is no such file or folder");
    }
    return named_by_content(elsewhere, models);
  }
  if (!fs::exists(model.path)) {
    throw Error(ErrorKind::kModel, "model " + model.name + ": " + model.path.string() +
                                       " is missing; `./lethe setup` fetches it" +
                                       (model.path_variable.empty()
                                            ? ""
                                            : ", or set " + model.path_variable + " to your own"));
  }
  const std::string sha256 = weights_sha256(model.path, Hashing::kRemembered);
  // Before complaining, look at the bytes and not at what was remembered of them.
  if (sha256 != model.sha256 && weights_sha256(model.path, Hashing::kRead) != model.sha256) {
    throw Error(ErrorKind::kModel, "model " + model.name + ": " + model.path.string() +
                                       " has SHA-256 " + sha256 + ", expected " + model.sha256 +
                                       "; the file is damaged or another one: delete it and run "
                                       "`./lethe setup`");
  }
  return {model.name, model.path, sha256};
}

}  // namespace

bool RegisteredModel::given_by_variable() const {
  const char* given = path_variable.empty() ? nullptr : std::getenv(path_variable.c_str());
  return given && *given && fs::exists(given);
}

std::string weights_sha256(const fs::path& path, Hashing hashing) {
  const auto hash = hashing == Hashing::kRead ? sha256_file : sha256_file_cached;
  if (!fs::is_directory(path)) return hash(path);
  std::string list;
  for (const auto& file : models::checkpoint_files(path)) {
    list += file.filename().string() + " " + hash(file) + "\n";
  }
  return sha256_hex(list);
}

std::vector<RegisteredModel> registered_models() {
  const auto file = root_folder() / "data" / "models.json";
  const auto value = read_json_file(file, ErrorKind::kConfig);
  ObjectReader reader(value, file.string(), ErrorKind::kConfig);
  std::vector<RegisteredModel> models;
  for (const auto& entry : reader.array("models")) {
    ObjectReader model(entry, file.string() + ": models", ErrorKind::kConfig);
    models.push_back({model.string("name"), model.string("title"),
                      root_folder() / model.string("path"), model.string("path_variable", ""),
                      model.string("sha256"), model.integer("bytes"), model.string("licence"),
                      model.string("source")});
    model.finish();
  }
  reader.finish();
  return models;
}

void check_vocabulary(const models::Checkpoint& checkpoint, const models::Tokenizer& tokenizer) {
  const std::int64_t rows = checkpoint.config().vocab_size;
  if (tokenizer.vocab_size() <= rows) return;
  throw Error(ErrorKind::kModel,
              checkpoint.label() +
                  ": expected a tokenizer of at most as many tokens as the embedding has rows, " +
                  std::to_string(rows) + ", found " + std::to_string(tokenizer.vocab_size()));
}

fs::path tokenizer_path(const std::string& given) {
  const auto models = registered_models();
  const bool registered = std::ranges::find(models, given, &RegisteredModel::name) != models.end();
  if (!registered && fs::exists(given)) return given;
  return resolve_model(given).path;
}

ResolvedModel resolve_model(const std::string& given) {
  const auto models = registered_models();
  std::vector<std::string> known;
  for (const auto& model : models) {
    if (model.name == given) return resolve_registered(model, models);
    known.push_back(model.name);
  }
  if (fs::exists(given)) return named_by_content(given, models);
  if (given.find('/') != std::string::npos || fs::path(given).has_extension()) {
    throw Error(ErrorKind::kModel, "model " + given +
                                       ": there is no such file or folder; expected a registered "
                                       "name (" +
                                       join(known, ", ") +
                                       "), a GGUF file or a Hugging Face folder");
  }
  throw unknown_name(ErrorKind::kModel, "model", given, known);
}

}  // namespace lethe::cli
