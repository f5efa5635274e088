// SPDX-License-Identifier: Apache-2.0
// "Did you mean …?": the nearest known name and the error that suggests it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/base/error.h"

namespace lethe {

/// The known name closest to `name` by edit distance (swaps of neighbours count one), or nothing
/// when none is near enough to be a plausible slip.
std::optional<std::string> closest_name(std::string_view name, std::span<const std::string> known);

/// Error "WHAT 'NAME' is unknown; did you mean 'X'? known: …".
Error unknown_name(ErrorKind kind, std::string_view what, std::string_view name,
                   std::span<const std::string> known);

/// "a, b, c".
std::string join(std::span<const std::string> parts, std::string_view separator);

}  // namespace lethe
