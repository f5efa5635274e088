// SPDX-License-Identifier: Apache-2.0
#include "tasks/datasets/fetch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "harness/base/file_lock.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "tasks/datasets/dataset_files.h"
#include "tasks/datasets/unpack.h"

namespace lethe::tasks {

namespace fs = std::filesystem;

namespace {

/// Why a file of the catalogue is to be fetched; "" when it is there.
std::string lack(const DatasetFile& file, const FetchRecord& record, Comparison how) {
  const auto* known = record.find(file.name);
  if (!known) return file.name + " was not fetched yet";
  const auto wanted = file.unpack ? file.unpack->to : "";
  if ((file.sha256 && *file.sha256 != known->sha256) || known->unpacked_to != wanted) {
    return file.name + ": Lethe now knows another version of it";
  }
  return record.difference(*known, how);
}

bool is_whole(const Dataset& dataset, const FetchRecord& record, Comparison how) {
  return std::all_of(dataset.files.begin(), dataset.files.end(),
                     [&](const auto& file) { return lack(file, record, how).empty(); });
}

/// The record of a data set that is whole; nothing where something is to be fetched.
std::optional<std::vector<FetchedFile>> whole(const Dataset& dataset, const fs::path& folder) {
  // Sizes first: bytes are read twice only where one of them has changed and no size.
  if (!is_fetched(dataset, folder)) return std::nullopt;
  const FetchRecord record(folder / dataset.name);
  if (!is_whole(dataset, record, Comparison::kBytes)) return std::nullopt;
  std::vector<FetchedFile> out;
  for (const auto& file : dataset.files) out.push_back(*record.find(file.name));
  return out;
}

class Fetch {
 public:
  Fetch(const Dataset& dataset, const FetchOptions& options, const FetchHooks& hooks)
      : dataset_(dataset),
        options_(options),
        hooks_(hooks),
        folder_(options.folder / dataset.name),
        record_(folder_) {}

  std::vector<FetchedFile> run() {
    std::vector<FetchedFile> out;
    for (const auto& file : dataset_.files) {
      if (!is_there(file)) bring(file);
      out.push_back(*record_.find(file.name));
    }
    return out;
  }

 private:
  bool is_there(const DatasetFile& file) const {
    if (options_.force || !record_.find(file.name)) return false;
    const auto why = lack(file, record_, Comparison::kBytes);
    if (!why.empty()) hooks_.download.note(why + ": fetching it again");
    return why.empty();
  }

  void bring(const DatasetFile& file) {
    hooks_.begin_file(file);
    FetchedFile fetched;
    fetched.name = file.name;
    fetched.when = utc_text(options_.clock->unix_ms());
    const fs::path target = folder_ / file.name;
    // An archive of an interrupted unpacking, or what a person put there.
    const bool stood_there =
        !options_.force && !record_stands_for(file) && fs::exists(fs::symlink_status(target));
    if (stood_there) {
      fetched.sha256 = check_standing(file, target);
    } else {
      fetched.sha256 = download_from_any(file, target, fetched.url);
    }
    fetched.bytes = static_cast<std::int64_t>(fs::file_size(target));
    if (file.unpack) {
      try {
        fetched.unpacked = unpack_beside(*file.unpack, target);
      } catch (const Error& error) {
        // What was interrupted is whole, and need not come again.
        if (!stood_there && error.kind() != ErrorKind::kInterrupted) fs::remove(target);
        throw;
      }
      fetched.unpacked_to = file.unpack->to;
    }
    record_.put(std::move(fetched));
    if (file.unpack) fs::remove(target);
  }

  /// A file without an archive that is recorded and has changed: not a person's gift.
  bool record_stands_for(const DatasetFile& file) const {
    return !file.unpack && record_.find(file.name) != nullptr;
  }

  DownloadRequest request_for(const DatasetFile& file, const fs::path& target) const {
    DownloadRequest request;
    request.target = target;
    request.bytes = file.bytes;
    request.sha256 = file.sha256;
    request.sha256_source = "Lethe's catalogue";
    const auto* known = record_.find(file.name);
    if (!file.sha256 && known) {
      request.sha256 = known->sha256;
      request.sha256_source = "recorded at the first download, " + known->when + "; remove " +
                              (folder_ / FetchRecord::kName).string() + " to take another version";
    }
    return request;
  }

  std::string check_standing(const DatasetFile& file, const fs::path& target) const {
    if (!fs::is_regular_file(fs::symlink_status(target))) {
      throw Error(ErrorKind::kData, target.string() +
                                        ": expected a file, found a folder or link; "
                                        "remove it");
    }
    const auto request = request_for(file, target);
    const auto size = static_cast<std::int64_t>(fs::file_size(target));
    const auto sha256 = sha256_file(target);
    if ((request.bytes && size != *request.bytes) ||
        (request.sha256 && sha256 != *request.sha256)) {
      throw Error(ErrorKind::kData,
                  target.string() + " stands there and is not what is expected: " +
                      (request.bytes ? with_thousands(*request.bytes) + " bytes, " : "") +
                      "SHA-256 " + request.sha256.value_or("unknown") + "; found " +
                      with_thousands(size) + " bytes, SHA-256 " + sha256 +
                      "; remove it, or download over it with --force");
    }
    hooks_.download.note(file.name + " stands there already and is taken");
    return sha256;
  }

  std::string download_from_any(const DatasetFile& file, const fs::path& target,
                                std::string& from) const {
    auto request = request_for(file, target);
    std::vector<std::string> reasons;
    bool reached = false;
    for (const auto& url : file.urls) {
      request.url = url;
      from = url;
      try {
        return download(request, hooks_.download, options_.patience);
      } catch (const Unreachable& error) {
        reasons.push_back(error.what());
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kData) throw;
        reached = true;
        reasons.push_back(error.what());
      }
      if (&url != &file.urls.back()) hooks_.download.note(reasons.back() + "; trying the next");
    }
    const std::string why = reasons.empty() ? "no address gives " + file.name : join(reasons, "; ");
    throw Error(ErrorKind::kData,
                why + ". By hand" +
                    (reached || reasons.empty() ? ":\n" : ", on a machine that has a network:\n") +
                    manual_steps(what_is_missing(file), options_.folder));
  }

  /// The data set without the files that are here; `wanted` stays.
  Dataset what_is_missing(const DatasetFile& wanted) const {
    Dataset left = dataset_;
    std::erase_if(left.files, [&](const DatasetFile& file) {
      return !options_.force && file.name != wanted.name &&
             lack(file, record_, Comparison::kSizes).empty();
    });
    return left;
  }

  std::vector<UnpackedFile> unpack_beside(const UnpackRule& rule, const fs::path& archive) const {
    const fs::path fresh = folder_ / (".unpacking-" + rule.to);
    const fs::path place = folder_ / rule.to;
    const fs::path old = folder_ / (".old-" + rule.to);
    fs::remove_all(fresh);
    std::vector<UnpackedFile> files;
    try {
      for (const auto& path : unpack(archive, fresh, rule, hooks_.download.interrupted)) {
        files.push_back({path, static_cast<std::int64_t>(fs::file_size(fresh / path)),
                         sha256_file(fresh / path)});
      }
    } catch (...) {
      std::error_code ec;
      fs::remove_all(fresh, ec);
      throw;
    }
    fs::remove_all(old);
    if (fs::exists(fs::symlink_status(place))) fs::rename(place, old);
    fs::rename(fresh, place);
    fs::remove_all(old);
    hooks_.download.note("unpacked " + std::to_string(files.size()) + " files to " +
                         place.string());
    return files;
  }

  const Dataset& dataset_;
  const FetchOptions& options_;
  const FetchHooks& hooks_;
  const fs::path folder_;
  FetchRecord record_;
};

}  // namespace

bool is_fetched(const Dataset& dataset, const fs::path& folder) {
  try {
    return is_whole(dataset, FetchRecord(folder / dataset.name), Comparison::kSizes);
  } catch (const Error&) {
    return false;
  }
}

std::vector<FetchedFile> fetch_dataset(const Dataset& dataset, const FetchOptions& options,
                                       const FetchHooks& hooks) {
  try {
    if (!options.force) {
      if (auto record = whole(dataset, options.folder)) return *std::move(record);
    }
    fs::create_directories(options.folder / dataset.name);
    std::optional<FileLock> lock;
    try {
      lock.emplace(options.folder / (dataset.name + ".lock"), options.command, *options.clock);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(error.what()) + "; choose another folder with --data");
    }
    if (lock->other()) {
      throw Error(ErrorKind::kStore, "another process fetches " + dataset.name + " to " +
                                         options.folder.string() + " (" + *lock->other() +
                                         "); wait for it, or stop it");
    }
    return Fetch(dataset, options, hooks).run();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::kResource,
                std::string(error.what()) + "; choose another folder with --data");
  }
}

}  // namespace lethe::tasks
