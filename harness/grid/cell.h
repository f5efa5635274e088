// SPDX-License-Identifier: Apache-2.0
// One point of a grid: its key and everything a worker needs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"
#include "harness/grid/catalogue.h"

namespace lethe::grid {

/// A value that never changes and that many cells hold in common; reads like a `const T`. A grid
/// has up to a million cells, and all of one model, task and length have the same samples.
template <typename T>
class Shared {
 public:
  Shared() {
    static const auto empty = std::make_shared<const T>();
    value_ = empty;
  }
  explicit Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& get() const { return *value_; }
  operator const T&() const { return *value_; }
  auto begin() const { return value_->begin(); }
  auto end() const { return value_->end(); }
  std::size_t size() const { return value_->size(); }
  bool operator==(const T& other) const { return *value_ == other; }

 private:
  std::shared_ptr<const T> value_;
};

/// What a cell key is hashed over. What the cells of one model, task and length have in common is
/// held once.
class CellInputs {
 public:
  /// Members in which neighbouring cells differ, in bytewise order.
  static constexpr std::array<std::string_view, 7> kOwn = {
      "budget", "dtype", "kv_dtype", "policy", "positions", "schedule", "seed"};
  /// Canonical JSON of each of those members.
  using Own = std::array<std::string_view, kOwn.size()>;

  /// The members in common, without those of kOwn.
  class Common {
   public:
    explicit Common(json::object members);

   private:
    friend class CellInputs;
    json::object members_;
    /// Canonical JSON around the own members: pieces_[0] own[0] pieces_[1] … pieces_[7].
    std::array<std::string, kOwn.size() + 1> pieces_;
  };

  CellInputs() = default;
  CellInputs(std::shared_ptr<const Common> common, const Own& own);

  json::object object() const;
  /// canonical_json(object()).
  std::string canonical() const;
  operator json::object() const { return object(); }
  operator json::value() const { return object(); }

 private:
  std::shared_ptr<const Common> common_;
  std::string own_;  ///< one canonical value a line
};

/// Found instead of the general function for `canonical_json(cell.inputs)`; much faster.
inline std::string canonical_json(const CellInputs& inputs) {
  return inputs.canonical();
}

/// One point of the grid, with everything a worker needs and everything the key covers.
///
/// `inputs`: {"task": {"name", "identity"}, "model": <identity>, "samples": SHA-256 over the
/// ordered [id, hash, cluster] of the samples, "policy": canonical text, "budget": integer or null,
/// "schedule", "positions", "length", "dtype", "kv_dtype", "seed", "device_kind": "cpu" | "cuda",
/// "rope_angles": "hf32" | "f64", "engine_version"}, and where there is one, "plugin_sha256" of the
/// policy, "policy_content_sha256" of the files it names, "chat_template_sha256" that prompts stand
/// in and "end_ids" that texts end at.
struct Cell {
  std::string key;    ///< SHA-256 of canonical_json(inputs)
  CellInputs inputs;  ///< what the key is hashed over
  std::string suite, task, model, policy, schedule, positions, dtype, kv_dtype;
  std::optional<std::int64_t> budget;  ///< none where the policy takes none
  std::int64_t length = 0;
  std::int64_t seed = 0;
  Shared<json::object> task_options;  ///< as the suite gives them, without "name"
  Shared<std::string> model_path;
  Shared<std::vector<SampleEntry>> samples;

  /// "pg19/smollm2-135m/tova:budget=256/length=2048/exact/original/float32/seed=0": for filters,
  /// logs and people.
  std::string label() const;
};

/// Key of sample `hash` in cell `key`.
std::string sample_key(const std::string& cell_key, const std::string& sample_hash);

}  // namespace lethe::grid
