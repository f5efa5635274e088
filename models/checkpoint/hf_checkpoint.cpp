// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_checkpoint.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "models/checkpoint/dequantize.h"
#include "models/checkpoint/hf_config.h"
#include "models/checkpoint/safetensors.h"
#include "models/checkpoint/shard_index.h"

namespace lethe::models {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "config.json";
constexpr const char* kWeightsName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

// What a folder without the expected file holds instead decides the advice.
std::string advice(const fs::path& folder) {
  if (fs::exists(folder / "pytorch_model.bin") ||
      fs::exists(folder / "pytorch_model.bin.index.json")) {
    return "; it holds pytorch_model.bin: save it again as safetensors";
  }
  for (const auto& item : fs::directory_iterator(folder)) {
    if (item.path().extension() == ".gguf") {
      return "; it holds a GGUF file: give " + item.path().string();
    }
  }
  return "";
}

fs::path expect_file(const fs::path& folder, const char* name) {
  fs::path path = folder / name;
  if (!fs::is_regular_file(path)) {
    throw Error(ErrorKind::kModel, folder.string() +
                                       ": expected a Hugging Face folder with config.json and "
                                       "model.safetensors or model.safetensors.index.json, found "
                                       "no " +
                                       name + advice(folder));
  }
  return path;
}

/// What the folder consists of.
struct FolderFiles {
  fs::path config;
  std::optional<fs::path> index_path;  ///< of a sharded checkpoint
  ShardIndex index;
  std::vector<fs::path> weights;

  std::vector<fs::path> all() const {
    std::vector<fs::path> files = {config};
    if (index_path) files.push_back(*index_path);
    files.insert(files.end(), weights.begin(), weights.end());
    return files;
  }
};

FolderFiles find_files(const fs::path& folder) {
  FolderFiles files;
  files.config = expect_file(folder, kConfigName);
  // transformers prefers the single file too.
  if (fs::is_regular_file(folder / kWeightsName) || !fs::is_regular_file(folder / kIndexName)) {
    files.weights.push_back(expect_file(folder, kWeightsName));
    return files;
  }
  files.index_path = folder / kIndexName;
  const std::string where = files.index_path->string();
  files.index = parse_shard_index(read_file(*files.index_path, ErrorKind::kModel), where);
  std::set<std::string> names;
  for (const auto& [tensor, name] : files.index) names.insert(name);
  for (const std::string& name : names) {
    if (!fs::is_regular_file(folder / name)) {
      throw Error(ErrorKind::kModel, where + ": expected the file " + name +
                                         " that it names, found none; fetch it again");
    }
    files.weights.push_back(folder / name);
  }
  return files;
}

/// Names of a model's embedding matrix, with and without the prefix of its head's class.
constexpr std::array<std::string_view, 8> kEmbeddings = {
    "model.embed_tokens.weight",
    "wte.weight",
    "transformer.wte.weight",
    "gpt_neox.embed_in.weight",
    "model.decoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "embeddings.word_embeddings.weight",
    "bert.embeddings.word_embeddings.weight",
};

class HfCheckpoint final : public Checkpoint {
 public:
  explicit HfCheckpoint(const fs::path& folder)
      : folder_(folder),
        files_(find_files(folder)),
        config_(read_hf_config(files_.config)),
        generation_(read_generation_defaults(folder)) {
    shards_.reserve(files_.weights.size());
    for (const fs::path& path : files_.weights) {
      const SafetensorsFile& shard = shards_.emplace_back(path);
      if (files_.index_path) expect_listed(shard);
      for (const auto& [name, entry] : shard.entries()) {
        tensors_.push_back({name, entry.shape, entry.dtype});
        shard_of_.emplace(name, &shard);
      }
    }
    std::ranges::sort(tensors_, {}, &TensorInfo::name);
    expect_complete();
    check_embedding();
  }

  const ModelConfig& config() const override { return config_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  GenerationDefaults generation_defaults() const override { return generation_; }
  std::vector<fs::path> files() const override { return files_.all(); }
  std::string label() const override { return folder_.string(); }

  void read(std::string_view name, std::span<float> out) const override {
    const TensorInfo& tensor = info(name);
    shard_of_.find(name)->second->read_rounded(tensor.name, out);
    require_finite(out, file_of(name), tensor.name);
  }
  std::string file_of(std::string_view name) const override {
    const auto shard = shard_of_.find(name);
    return shard == shard_of_.end() ? label() : shard->second->path().string();
  }

 private:
  // A tensor of a shard that the index places elsewhere, or nowhere, would be read or left out by
  // chance.
  void expect_listed(const SafetensorsFile& shard) const {
    const std::string name = shard.path().filename().string();
    for (const auto& [tensor, entry] : shard.entries()) {
      const auto listed = files_.index.find(tensor);
      const bool known = listed != files_.index.end();
      if (known && listed->second == name) continue;
      throw Error(ErrorKind::kModel, files_.index_path->string() + ": expected tensor '" + tensor +
                                         "' of " + name + " to be listed there, found " +
                                         (known ? "it under " + listed->second : "no entry") +
                                         "; the files do not belong together");
    }
  }

  // What a shard holds is listed under it, so what is listed and in no shard is missing in its own.
  void expect_complete() const {
    for (const auto& [tensor, file] : files_.index) {
      if (has(tensor)) continue;
      throw Error(ErrorKind::kModel, (folder_ / file).string() + ": expected tensor '" + tensor +
                                         "', as " + kIndexName +
                                         " says, found no such tensor; the files do not belong "
                                         "together");
    }
  }

  void check_embedding() const {
    for (const std::string_view name : kEmbeddings) {
      if (!has(name)) continue;
      const TensorInfo& embedding = info(name);
      if (!embedding.shape.empty() && embedding.shape[0] == config_.vocab_size) continue;
      throw Error(ErrorKind::kModel,
                  file_of(name) + ": tensor '" + embedding.name + "': expected " +
                      std::to_string(config_.vocab_size) +
                      " rows, the vocab_size of config.json, found " +
                      std::to_string(embedding.shape.empty() ? 0 : embedding.shape[0]));
    }
  }

  fs::path folder_;
  FolderFiles files_;
  ModelConfig config_;
  GenerationDefaults generation_;
  std::vector<SafetensorsFile> shards_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, const SafetensorsFile*, std::less<>> shard_of_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_hf_checkpoint(const fs::path& folder) {
  return std::make_unique<HfCheckpoint>(folder);
}

std::vector<fs::path> hf_checkpoint_files(const fs::path& folder) {
  return find_files(folder).all();
}

}  // namespace lethe::models
