// SPDX-License-Identifier: Apache-2.0
// Language modelling on PG-19 books: perplexity of windows of the tokenised text (TOVA, arXiv
// 2401.06104, sections 5.2 and 6.1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"
#include "tasks/datasets/pg19_books.h"
#include "tasks/task.h"

namespace lethe::tasks {

/// Where a begin-of-sequence token stands. The paper leaves it open, so it is an option.
enum class BosRule {
  kAuto,    ///< at the head of the book when the tokenizer asks for one, never inside
  kNever,   ///< nowhere
  kWindow,  ///< in front of every window, as its first token
};

/// Options of the task as a suite states them.
struct Pg19Options {
  std::vector<std::string> books;       ///< ids in the order given; empty: every book of the folder
  std::filesystem::path data;           ///< folder of texts
  std::optional<std::int64_t> windows;  ///< per book, from `start` on; none: all that fit
  std::optional<std::int64_t> stride;   ///< tokens from window to window; none: no overlap, no gap
  std::int64_t start = 0;               ///< token offset of the first window in the book
  BosRule bos = BosRule::kAuto;

  /// Reads {"books": ["860", …] | "all", "data": "folder", "windows": 1 | "all", "stride": 2048,
  /// "start": 0, "bos": "auto" | "never" | "window", "tail": "drop"}; every member may be missing.
  /// A relative `data` is looked for in the current folder, then in `root`.
  /// Throws Error(kConfig) that names the member.
  static Pg19Options parse(const json::object& options, const std::filesystem::path& root);
};

/// A window is `length` tokens fed to the model, BOS included; `length` - 1 of them are predicted
/// and scored. The book is tokenised whole, so a window does not depend on where the text was cut;
/// the tail that fills no window is dropped. Sample id "BOOK/WINDOW", cluster BOOK.
/// Not thread-safe: the ids of a book are remembered between samples.
class Pg19Task : public Task {
 public:
  /// Raised by hand when the same options give other samples or numbers.
  static constexpr int kVersion = 1;

  /// Reads and hashes the chosen books. Throws Error(kData) for a missing, damaged or unknown one,
  /// Error(kConfig) for a length below 2.
  Pg19Task(Pg19Options options, std::int64_t length);

  json::object identity() const override;
  /// Throws Error(kData) for a book with too few tokens, saying how many it has.
  std::vector<SampleInfo> samples(const models::Tokenizer& tokenizer) const override;
  SampleOutcome run(const std::string& sample_id, const models::Tokenizer& tokenizer,
                    const models::Model& model, const RunSettings& settings) const override;

  /// Tokens of one window, BOS included: what run() feeds to the model.
  std::vector<std::int64_t> window(const std::string& sample_id,
                                   const models::Tokenizer& tokenizer) const;

 private:
  struct Chosen {
    std::string id;
    std::string sha256;
  };
  struct Place {
    std::string book;
    std::int64_t first = 0;  ///< offset in the book's stream of tokens
  };

  std::int64_t text_tokens() const;
  std::int64_t stride() const;
  std::int64_t windows_in(const std::string& book, std::int64_t stream) const;
  std::int64_t stream_length(const Chosen& book, const models::Tokenizer& tokenizer,
                             const std::string& tokenizer_sha256) const;
  Place place_of(const std::string& sample_id) const;
  const std::vector<std::int64_t>& stream(const std::string& book,
                                          const models::Tokenizer& tokenizer) const;

  Pg19Options options_;
  std::int64_t length_;
  Pg19Books books_;
  std::vector<Chosen> chosen_;
  mutable std::map<std::string, std::vector<std::int64_t>> streams_;  ///< book and tokenizer -> ids
};

}  // namespace lethe::tasks
