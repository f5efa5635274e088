// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja.h"

#include "models/tokenizer/jinja_evaluator.h"
#include "models/tokenizer/jinja_parser.h"

namespace lethe::models::jinja {

struct Template::Parsed {
  Parsed(std::string_view text, std::string where, const Limits& allowed)
      : limits(allowed),
        source(text, std::move(where), allowed.source_bytes),
        body(parse(source)) {}
  Limits limits;
  Source source;
  Body body;
};

Template::Template(std::string_view source, std::string where, const Limits& limits)
    : parsed_(std::make_shared<const Parsed>(source, std::move(where), limits)) {}

std::string Template::render(const json::object& variables,
                             const std::optional<std::tm>& now) const {
  return evaluate(parsed_->source, parsed_->body, variables, now, parsed_->limits);
}

}  // namespace lethe::models::jinja
