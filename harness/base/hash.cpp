// SPDX-License-Identifier: Apache-2.0
#include "harness/base/hash.h"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "harness/base/error.h"
#include "harness/base/json.h"

namespace lethe {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  LETHE_ASSERT(state_->context && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
               "SHA-256 is not available in libcrypto");
}

Sha256::~Sha256() = default;

Sha256& Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
  return *this;
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &size);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  return Sha256().update(bytes).hex();
}

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kData, "cannot open " + path.string());
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    hash.update({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) throw Error(ErrorKind::kData, "cannot read " + path.string());
  return hash.hex();
}

std::filesystem::path user_cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg)
    return std::filesystem::path(xdg) / "lethe";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::filesystem::path(home) / ".cache/lethe";
  return {};
}

std::string sha256_file_cached(const std::filesystem::path& path) {
  std::error_code ec;
  const auto full = std::filesystem::canonical(path, ec);
  const auto size = ec ? 0 : std::filesystem::file_size(full, ec);
  const auto mtime =
      ec ? std::filesystem::file_time_type{} : std::filesystem::last_write_time(full, ec);
  if (ec) throw Error(ErrorKind::kData, "cannot open " + path.string() + ": " + ec.message());
  const auto folder = user_cache_folder();
  if (folder.empty()) return sha256_file(full);
  // One small file per entry, named by what identifies the content, so that concurrent processes
  // never write the same file with different content.
  // Inode and change time catch what size and modification time miss: cp -p, touch -r.
  struct stat info {};
  if (stat(full.c_str(), &info) != 0) return sha256_file(full);
  const std::string identity =
      full.string() + "\n" + std::to_string(size) + "\n" +
      std::to_string(mtime.time_since_epoch().count()) + "\n" + std::to_string(info.st_ino) + "\n" +
      std::to_string(info.st_ctim.tv_sec) + "." + std::to_string(info.st_ctim.tv_nsec);
  const auto entry = folder / "sha256" / sha256_hex(identity);
  std::string cached;
  if (std::ifstream in(entry); in >> cached && cached.size() == 64) return cached;
  const std::string hash = sha256_file(full);
  std::filesystem::create_directories(entry.parent_path(), ec);
  const auto temporary = entry.string() + "." + std::to_string(getpid());
  if (std::ofstream out(temporary); out << hash << '\n' << identity << '\n') {
    out.close();
    std::filesystem::rename(temporary, entry, ec);
  }
  return hash;
}

}  // namespace lethe
