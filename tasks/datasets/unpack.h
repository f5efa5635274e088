// SPDX-License-Identifier: Apache-2.0
// Unpacks an archive that nobody here has seen before.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tasks/datasets/catalogue.h"

namespace lethe::tasks {

/// Unpacks the members below `rule.from` (which is left out of their names) into `folder`, a new
/// folder: it must not exist. Returns the files' paths below it, sorted.
///
/// Every member is judged before anything is written, also those that are not taken. Throws
/// Error(kData) that names archive and member: an absolute path, "..", a symbolic or hard link, a
/// device, a backslash or control character in a name, a name twice, a file where another member
/// needs a folder, more than rule.most_bytes bytes or 100,000 members, no member below `rule.from`,
/// damage. Files are written with permissions 0644 at most and never through a link. What was
/// written before an error stays in `folder`: the caller unpacks into a temporary one.
///
/// `interrupted` is asked now and then; true ends with Error(kInterrupted).
std::vector<std::string> unpack(const std::filesystem::path& archive,
                                const std::filesystem::path& folder, const UnpackRule& rule,
                                const std::function<bool()>& interrupted);

}  // namespace lethe::tasks
