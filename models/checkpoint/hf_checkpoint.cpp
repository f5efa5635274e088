// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/hf_checkpoint.h"

#include <algorithm>
#include <array>
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

/// Names of a model's embedding matrix, with and without the prefix of its head's class.
constexpr std::array<std::string_view, 7> kEmbeddings = {
    "model.embed_tokens.weight",
    "wte.weight",
    "transformer.wte.weight",
    "gpt_neox.embed_in.weight",
    "model.decoder.embed_tokens.weight",
    "embeddings.word_embeddings.weight",
    "bert.embeddings.word_embeddings.weight",
};

class HfCheckpoint final : public Checkpoint {
 public:
  explicit HfCheckpoint(const fs::path& folder)
      : folder_(folder), config_(read_hf_config(expect_file(folder, kConfigName))) {
    generation_ = read_generation_defaults(folder);
    // transformers prefers the single file too.
    ShardIndex index;
    if (!fs::is_regular_file(folder / kWeightsName) && fs::is_regular_file(folder / kIndexName)) {
      index_ = folder / kIndexName;
      index = open_shards();
    } else {
      shards_.emplace_back(expect_file(folder, kWeightsName));
    }
    for (const SafetensorsFile& shard : shards_) {
      for (const auto& [name, entry] : shard.entries()) {
        tensors_.push_back({name, entry.shape, entry.dtype});
        shard_of_.emplace(name, &shard);
      }
    }
    std::ranges::sort(tensors_, {}, &TensorInfo::name);
    expect_complete(index);
    check_embedding();
  }

  const ModelConfig& config() const override { return config_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  GenerationDefaults generation_defaults() const override { return generation_; }
  std::vector<fs::path> files() const override {
    std::vector<fs::path> files = {folder_ / kConfigName};
    if (index_) files.push_back(*index_);
    for (const SafetensorsFile& shard : shards_) files.push_back(shard.path());
    return files;
  }
  std::string label() const override { return folder_.string(); }

  void read(std::string_view name, std::span<float> out) const override {
    const TensorInfo& tensor = info(name);
    shard_of_.find(name)->second->read_rounded(tensor.name, out);
    require_finite(out, label(), tensor.name);
  }

 private:
  ShardIndex open_shards() {
    const std::string where = index_->string();
    ShardIndex index = parse_shard_index(read_file(*index_, ErrorKind::kModel), where);
    std::set<std::string> names;
    for (const auto& [tensor, file] : index) names.insert(file);
    shards_.reserve(names.size());
    for (const std::string& name : names) {
      const fs::path path = folder_ / name;
      if (!fs::is_regular_file(path)) {
        throw Error(ErrorKind::kModel, where + ": expected the file " + name +
                                           " that it names, found none; fetch it again");
      }
      shards_.emplace_back(path);
      expect_listed(shards_.back(), name, index, where);
    }
    return index;
  }

  // A tensor of a shard that the index places elsewhere, or nowhere, would be read or left out by
  // chance.
  static void expect_listed(const SafetensorsFile& shard, const std::string& name,
                            const ShardIndex& index, const std::string& where) {
    for (const auto& [tensor, entry] : shard.entries()) {
      const auto listed = index.find(tensor);
      if (listed != index.end() && listed->second == name) continue;
      throw Error(ErrorKind::kModel,
                  where + ": expected tensor '" + tensor + "' of " + name +
                      " to be listed there, found " +
                      (listed == index.end() ? "no entry" : "it under " + listed->second) +
                      "; the files do not belong together");
    }
  }

  // What a shard holds is listed under it, so what is listed and in no shard is missing in its own.
  void expect_complete(const ShardIndex& index) const {
    for (const auto& [tensor, file] : index) {
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
                  label() + ": tensor '" + embedding.name + "': expected " +
                      std::to_string(config_.vocab_size) +
                      " rows, the vocab_size of config.json, found " +
                      std::to_string(embedding.shape.empty() ? 0 : embedding.shape[0]));
    }
  }

  fs::path folder_;
  ModelConfig config_;
  GenerationDefaults generation_;
  std::optional<fs::path> index_;
  std::vector<SafetensorsFile> shards_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, const SafetensorsFile*, std::less<>> shard_of_;
};

}  // namespace

std::unique_ptr<Checkpoint> open_hf_checkpoint(const fs::path& folder) {
  return std::make_unique<HfCheckpoint>(folder);
}

}  // namespace lethe::models
