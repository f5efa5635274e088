// SPDX-License-Identifier: Apache-2.0
// Where the files of a data set lie on this machine.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tasks/datasets/catalogue.h"

namespace lethe::tasks {

/// Folders that hold data sets, in the order in which they are looked through: `given` (--data),
/// $LETHE_DATA, `data` in the user's cache folder. lethe fetch writes to the first. A data set NAME
/// is the folder NAME in one of them, or one of them itself where it is called NAME, in whatever
/// case its owner writes it. Throws Error(kConfig) when there is none: no HOME, and nothing given.
std::vector<std::filesystem::path> data_folders(const std::optional<std::string>& given);

/// The path of a file of a data set for read_records(); nothing where no folder has it. `file` is
/// the path below the data set's folder, as lethe fetch leaves it ("data/qasper.jsonl"). Where it
/// is not there as such, it is looked for as FILE.xz and FILE.gz, and in the archives that the
/// catalogue would unpack it from, as the owner publishes them: then the path goes on behind the
/// archive.
std::optional<std::filesystem::path> find_dataset_file(
    const Dataset& dataset, const std::string& file,
    const std::vector<std::filesystem::path>& folders);

/// As find_dataset_file(). Throws Error(kData) that says where it was looked for, and how the file
/// is had: ./lethe fetch NAME, or --data DIR.
std::filesystem::path dataset_file(const Dataset& dataset, const std::string& file,
                                   const std::vector<std::filesystem::path>& folders);

/// How a person gets a data set without lethe fetch: addresses, sizes, checksums, and where the
/// files go below `folder`. Lines, each with "\n".
std::string manual_steps(const Dataset& dataset, const std::filesystem::path& folder);

}  // namespace lethe::tasks
