// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/metaspace.h"

#include "harness/base/unicode.h"
#include "models/tokenizer/component.h"

namespace lethe::models {

Metaspace read_metaspace(ObjectReader& reader) {
  Metaspace metaspace;
  metaspace.replacement = reader.string("replacement");
  if (count_code_points(metaspace.replacement) != 1) {
    throw Error(ErrorKind::kModel, reader.where("replacement") +
                                       ": expected one character, found '" + metaspace.replacement +
                                       "'");
  }
  value_or(reader, "str_rep", std::string());  // the same character again, in old files
  const bool prefix = value_or(reader, "add_prefix_space", true);
  const std::string scheme =
      value_or(reader, "prepend_scheme", std::string(prefix ? "always" : "never"));
  if (scheme == "always") {
    metaspace.scheme = Metaspace::Scheme::kAlways;
  } else if (scheme == "first") {
    metaspace.scheme = Metaspace::Scheme::kFirst;
  } else if (scheme == "never") {
    metaspace.scheme = Metaspace::Scheme::kNever;
  } else {
    throw unknown_name(ErrorKind::kModel, reader.where("prepend_scheme"), scheme,
                       std::vector<std::string>{"always", "first", "never"});
  }
  metaspace.split = value_or(reader, "split", true);
  return metaspace;
}

}  // namespace lethe::models
