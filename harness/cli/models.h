// SPDX-License-Identifier: Apache-2.0
// Model names on the command line: registered names (data/models.json), GGUF files, Hugging Face
// folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lethe::models {
class Checkpoint;
class Tokenizer;
}  // namespace lethe::models

namespace lethe::cli {

/// One entry of data/models.json.
struct RegisteredModel {
  std::string name;
  std::string title;
  std::filesystem::path path;  ///< absolute
  std::string path_variable;   ///< environment variable that points elsewhere; may be empty
  std::string sha256;          ///< of the weights the name stands for
  std::int64_t bytes = 0;      ///< of that file
  std::string licence;
  std::string source;

  /// Whether `path_variable` is set and names something that exists.
  bool given_by_variable() const;
};

/// A model that exists, and the name under which its results are stored.
struct ResolvedModel {
  std::string name;  ///< a registered name, or "custom:FILE"
  std::filesystem::path path;
  std::string weights_sha256;
};

/// Where hashes of files come from.
enum class Hashing {
  kRemembered,  ///< the user's cache, for files that are what they were when they were hashed
  kRead,        ///< every byte, now
};

/// SHA-256 of the weights at a path. One file: its own. A Hugging Face folder: over the names and
/// hashes of its config.json, index and weights. Damaged weights have a hash too. Throws
/// Error(kModel) when a file of the folder is missing, Error(kData) when one cannot be read.
std::string weights_sha256(const std::filesystem::path& path, Hashing hashing);

/// Throws Error(kConfig) when data/models.json is malformed.
std::vector<RegisteredModel> registered_models();

/// Resolves `--model`. A registered name stands for exactly the registered bytes: other bytes at
/// its own path are an error, other bytes where its variable (LETHE_MODEL_PATH) points are stored
/// as "custom:FILE". A path whose bytes are a registered model's gets that model's name, so that
/// results do not depend on how the file was named. Throws Error(kModel) for an unknown name (with
/// a suggestion), a missing file, and a wrong hash.
ResolvedModel resolve_model(const std::string& given);

/// Throws Error(kModel) when the tokenizer has ids that the model has no embedding for. Fewer are
/// fine: embeddings are padded to round numbers.
void check_vocabulary(const models::Checkpoint& checkpoint, const models::Tokenizer& tokenizer);

/// Path of `--model` for those who need its tokenizer alone: as resolve_model(), but nobody looks
/// at the weights of a path, which may be absent.
std::filesystem::path tokenizer_path(const std::string& given);

}  // namespace lethe::cli
