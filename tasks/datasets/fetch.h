// SPDX-License-Identifier: Apache-2.0
// Brings a whole data set onto this machine, checked and unpacked.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/clock.h"
#include "tasks/datasets/catalogue.h"
#include "tasks/datasets/download.h"
#include "tasks/datasets/fetch_record.h"

namespace lethe::tasks {

struct FetchOptions {
  std::filesystem::path folder;  ///< holds data sets: the files go to folder/NAME
  bool force = false;            ///< fetch again what is there
  std::string command;           ///< for another process that is kept out
  DownloadPatience patience;
  const Clock* clock = &system_clock();
};

/// How a fetch reports and is stopped.
struct FetchHooks {
  /// Before a file is brought.
  std::function<void(const DatasetFile& file)> begin_file;
  DownloadHooks download;
};

/// Whether every file is recorded in folder/NAME as the catalogue has it now and is there with its
/// size; nothing is read through. False where the record is damaged.
bool is_fetched(const Dataset& dataset, const std::filesystem::path& folder);

/// Brings every file of the data set to folder/NAME and returns the record, file by file in the
/// catalogue's order. What is there and is byte for byte what was recorded stays; where that is
/// everything, nothing is written, so the folder may be one that cannot be. A file that a
/// person put there is checked like a download and taken. Archives are unpacked beside their place,
/// which then gets its name at once, and removed.
///
/// A checksum that the catalogue does not know is recorded at the first download; from then on
/// every download has to have it. One process at a time brings something to folder/NAME; another is
/// refused by the name of the first (kStore).
///
/// Throws as download() and unpack() do; when no address gives a file, or there is none, the
/// message has the steps by hand for what is not here. After any error no file has its name that is
/// not whole, and after an interruption the parts wait for the next fetch.
std::vector<FetchedFile> fetch_dataset(const Dataset& dataset, const FetchOptions& options,
                                       const FetchHooks& hooks);

}  // namespace lethe::tasks
