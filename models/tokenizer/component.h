// SPDX-License-Identifier: Apache-2.0
// Reading the parts of tokenizer.json: objects whose "type" says what they are.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.h"
#include "harness/base/names.h"

namespace lethe::models {

/// One kind of component and what makes it from its object.
template <typename T>
struct ComponentKind {
  std::string_view type;
  std::unique_ptr<T> (*make)(ObjectReader& reader);
};

/// Makes the component that `value` describes; nothing for null. Throws Error(kModel) naming
/// `where` for a type that is not among `kinds` (listing them), and for members that its kind does
/// not know: they might change ids.
template <typename T>
std::unique_ptr<T> make_component(const json::value& value, const std::string& where,
                                  std::span<const ComponentKind<T>> kinds) {
  if (value.is_null()) return nullptr;
  ObjectReader reader(value, where, ErrorKind::kModel);
  const std::string type = reader.string("type");
  for (const auto& kind : kinds) {
    if (kind.type != type) continue;
    auto component = kind.make(reader);
    reader.finish();
    return component;
  }
  std::vector<std::string> known;
  for (const auto& kind : kinds) known.emplace_back(kind.type);
  throw unknown_name(ErrorKind::kModel, reader.where("type"), type, known);
}

/// The components of a "Sequence" under the member `name`.
template <typename T>
std::vector<std::unique_ptr<T>> make_components(
    ObjectReader& reader, std::string_view name,
    std::unique_ptr<T> (*make)(const json::value& value, const std::string& where)) {
  std::vector<std::unique_ptr<T>> parts;
  const json::array& items = reader.array(name);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto part = make(items[i], reader.where(name) + "[" + std::to_string(i) + "]");
    if (part) parts.push_back(std::move(part));
  }
  return parts;
}

/// A member that may be absent or null.
template <typename Value>
Value value_or(ObjectReader& reader, std::string_view name, const Value& fallback) {
  const json::value* value = reader.find(name);
  if (value == nullptr || value->is_null()) return fallback;
  if constexpr (std::is_same_v<Value, bool>) {
    return reader.boolean(name, fallback);
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return reader.string(name);
  } else {
    return reader.integer(name);
  }
}

}  // namespace lethe::models
