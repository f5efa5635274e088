// SPDX-License-Identifier: Apache-2.0
#include "training/recipe_members.h"

#include <set>

#include "harness/base/error.h"

namespace lethe::training {

std::int64_t at_least(ObjectReader& reader, const char* name, std::int64_t fallback,
                      std::int64_t least) {
  const std::int64_t value = reader.integer(name, fallback);
  if (value >= least) return value;
  throw Error(ErrorKind::kConfig, reader.where(name) + ": expected at least " +
                                      std::to_string(least) + ", found " + std::to_string(value));
}

double within(ObjectReader& reader, const char* name, double fallback, double least, double most) {
  const double value = reader.number(name, fallback);
  if (value >= least && value <= most) return value;
  throw Error(ErrorKind::kConfig, reader.where(name) + ": expected " + std::to_string(least) +
                                      " to " + std::to_string(most) + ", found " +
                                      std::to_string(value));
}

void check_stage_names(const std::vector<std::string>& names, const std::string& where) {
  std::set<std::string> known;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const std::string place = where + "[" + std::to_string(i) + "]: name: ";
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      throw Error(ErrorKind::kConfig,
                  place + "expected the name of a folder, found '" + name + "'");
    }
    if (!known.insert(name).second) {
      throw Error(ErrorKind::kConfig, place +
                                          "expected another name than the stages before have, "
                                          "found '" +
                                          name + "' again");
    }
  }
}

}  // namespace lethe::training
