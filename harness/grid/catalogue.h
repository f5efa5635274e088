// SPDX-License-Identifier: Apache-2.0
// What the grid needs to know of models, policies and tasks, filled in by the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"

namespace lethe::grid {

/// A resolved model: its registered name and everything about it that belongs into the cell key.
struct ModelEntry {
  std::string name;
  std::string path;       ///< of the checkpoint, for the worker; not part of the key
  json::object identity;  ///< {"weights_sha256", "tokenizer_sha256", "quantisation", …}
  std::int64_t trained_length = 0;
  std::int64_t kv_numbers = 0;  ///< of one token's keys and values, all layers
  std::optional<std::int64_t> sliding_window;
  std::int64_t sliding_numbers = 0;  ///< those of kv_numbers in the layers that have the window
  /// Tokens that a table of learned positions ends after; none where positions are rotary.
  std::optional<std::int64_t> learned_positions = std::nullopt;
  /// Memory tokens of a model with recurrent memory; none: it has a cache.
  std::optional<std::int64_t> memory_tokens = std::nullopt;
};

struct PolicyEntry {
  std::string text;  ///< canonical specification
  bool takes_budget = true;
  std::string plugin_sha256 = {};  ///< of the library it comes from: part of the key; "" for none
  /// Of what stands in the files that it names: part of the key; "" for none.
  std::string content_sha256 = {};
};

/// One sample of a task at one length.
struct SampleEntry {
  std::string id;       ///< "860/0"
  std::string hash;     ///< SHA-256 of its content (text bytes and window)
  std::string cluster;  ///< book or document
};

/// A task bound to a model and a length.
struct TaskEntry {
  std::string name;
  json::object
      identity;  ///< task options, versions, data hashes: everything that may change numbers
  std::vector<SampleEntry> samples;
  std::int64_t prompt = 0;  ///< tokens of a sample's prompt, for schedules that cut after it
  bool generates = false;   ///< what follows the prompt is not known in advance
  bool cuts_input = false;  ///< policy truncate cuts what the model is given, not its cache
  std::string chat_template_sha256 = {};  ///< that prompts stand in: part of the key; "" for none
  json::array end_ids = {};  ///< tokens that end a text: part of the key where the task heeds them
};

/// What a policy is asked to do in a cell, and with what.
struct Setting {
  std::string policy, schedule, positions;  ///< canonical
  std::string dtype, kv_dtype, device_kind;
  std::optional<std::int64_t> budget;
  std::int64_t length = 0;
  std::int64_t prompt = 0;      ///< of the task; 0: none
  bool generates = false;       ///< the task
  bool cuts_input = false;      ///< the task
  std::int64_t kv_numbers = 0;  ///< this and the rest as in ModelEntry
  std::optional<std::int64_t> sliding_window;
  std::int64_t sliding_numbers = 0;
  std::optional<std::int64_t> learned_positions;
  std::optional<std::int64_t> memory_tokens;
};

/// Names -> facts. Every function throws Error(kConfig | kModel | kPolicy | kData) with a
/// suggestion for an unknown name; all of them are called before any work starts.
class Catalogue {
 public:
  virtual ~Catalogue() = default;
  virtual ModelEntry model(const std::string& name) = 0;
  virtual PolicyEntry policy(const std::string& text) = 0;
  /// Canonical texts.
  virtual std::string schedule(const std::string& text) = 0;
  virtual std::string positions(const std::string& text) = 0;
  /// Throws when no evaluation can honour the setting, or this machine cannot hold its cache.
  /// Called once for each that occurs.
  virtual void check(const Setting& setting) = 0;
  /// `options` is the task object of the suite without "name".
  virtual TaskEntry task(const std::string& name, const json::object& options,
                         const ModelEntry& model, std::int64_t length) = 0;
};

}  // namespace lethe::grid
