// SPDX-License-Identifier: Apache-2.0
#include "tasks/metrics/japanese_words.h"

#include <dlfcn.h>

#include "harness/base/error.h"
#include "tasks/metrics/python_text.h"

namespace lethe::tasks {
namespace {

constexpr const char* kHint = "; ./lethe setup --japanese gets it";

}  // namespace

/// MeCab's C interface, as far as it is used.
struct JapaneseWords::Library {
  using New = void* (*)(int, char**);
  using Parse = const char* (*)(void*, const char*, std::size_t);
  using Text = const char* (*)(void*);
  using Destroy = void (*)(void*);

  template <typename Function>
  Function function(const char* name) const {
    void* address = dlsym(handle, name);
    if (address == nullptr) {
      throw Error(ErrorKind::kConfig, std::string("libmecab.so.2 has no function ") + name + kHint);
    }
    return reinterpret_cast<Function>(address);
  }

  explicit Library(const std::filesystem::path& folder)
      : handle(dlopen("libmecab.so.2", RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) {
      throw Error(ErrorKind::kConfig,
                  std::string("Japanese words need libmecab.so.2, which cannot be opened (") +
                      dlerror() + ")" + kHint);
    }
    parse = function<Parse>("mecab_sparse_tostr2");
    error = function<Text>("mecab_strerror");
    destroy = function<Destroy>("mecab_destroy");
    // Without a resource file of its own MeCab would look for one of the system's.
    std::string words[] = {"lethe", "-r", "/dev/null", "-d", folder.string(), "-Owakati"};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    tagger = function<New>("mecab_new")(static_cast<int>(arguments.size()), arguments.data());
    if (tagger == nullptr) {
      throw Error(ErrorKind::kConfig, "MeCab cannot read the dictionary " + folder.string() + ": " +
                                          error(nullptr) + kHint);
    }
  }
  ~Library() {
    if (tagger != nullptr) destroy(tagger);
  }

  void* handle;  // stays open: the library is not made to be unloaded
  void* tagger = nullptr;
  Parse parse = nullptr;
  Text error = nullptr;
  Destroy destroy = nullptr;
};

JapaneseWords::JapaneseWords(const std::filesystem::path& folder)
    : library_(std::make_unique<Library>(folder)) {}

JapaneseWords::~JapaneseWords() = default;

std::vector<std::string> JapaneseWords::cut(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  const char* line = library_->parse(library_->tagger, text.data(), text.size());
  if (line == nullptr) {
    throw Error(ErrorKind::kData,
                std::string("MeCab cannot cut a text: ") + library_->error(library_->tagger));
  }
  // Surfaces with blanks between; a surface holds no ASCII blank, but may be U+3000.
  std::vector<std::string> words;
  const std::u32string points = to_code_points(line);
  for (const auto piece : split_at(points, U' ')) {
    if (!piece.empty() && piece != U"\n") words.push_back(to_utf8(piece));
  }
  return words;
}

}  // namespace lethe::tasks
