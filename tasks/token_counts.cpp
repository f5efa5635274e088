// SPDX-License-Identifier: Apache-2.0
#include "tasks/token_counts.h"

#include <filesystem>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/spec.h"
#include "harness/base/text.h"

namespace lethe::tasks {

std::int64_t remembered_token_count(const std::string& text_sha256,
                                    const std::string& tokenizer_sha256,
                                    const std::function<std::int64_t()>& count) {
  const auto folder = user_cache_folder();
  if (folder.empty()) return count();
  const auto entry = folder / "token_counts" / sha256_hex(text_sha256 + "\n" + tokenizer_sha256);
  try {
    if (std::filesystem::exists(entry)) {
      const auto known = parse_integer(read_file(entry, ErrorKind::kData));
      if (known && *known > 0) return *known;
    }
  } catch (const Error&) {
    // Unreadable: count again.
  }
  const std::int64_t counted = count();
  try {
    std::error_code ec;
    std::filesystem::create_directories(entry.parent_path(), ec);
    write_file_atomically(entry, std::to_string(counted));
  } catch (const Error&) {
    // Not writable: the next run counts again.
  }
  return counted;
}

}  // namespace lethe::tasks
