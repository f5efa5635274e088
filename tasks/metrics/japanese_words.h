// SPDX-License-Identifier: Apache-2.0
// Japanese words by MeCab and a dictionary of the kind of unidic-lite, for ChouBun.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tasks {

/// The surfaces that fugashi's Tagger('-Owakati') gives. MeCab's library is opened when the first
/// object is made, so that nothing else needs it. Thread-safe: one text at a time.
class JapaneseWords {
 public:
  /// `folder` is a compiled dictionary (dicrc, sys.dic, …). Throws Error(kConfig) saying what to
  /// install when libmecab or the dictionary is missing.
  explicit JapaneseWords(const std::filesystem::path& folder);
  ~JapaneseWords();
  JapaneseWords(const JapaneseWords&) = delete;
  JapaneseWords& operator=(const JapaneseWords&) = delete;

  std::vector<std::string> cut(std::string_view text) const;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
  mutable std::mutex mutex_;
};

}  // namespace lethe::tasks
