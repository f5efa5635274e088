// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_methods.h"

#include <algorithm>
#include <functional>
#include <map>

#include "models/tokenizer/jinja_operators.h"
#include "models/tokenizer/jinja_text.h"

namespace lethe::models::jinja {
namespace {

using Names = std::vector<std::string_view>;

// All that Python has: an attribute of such a name is the method, not the member of a dict.
const Names& methods_of(const Value& value) {
  static const Names kString = {
      "capitalize",   "casefold",    "center",    "count",      "encode",       "endswith",
      "expandtabs",   "find",        "format",    "format_map", "index",        "isalnum",
      "isalpha",      "isascii",     "isdecimal", "isdigit",    "isidentifier", "islower",
      "isnumeric",    "isprintable", "isspace",   "istitle",    "isupper",      "join",
      "ljust",        "lower",       "lstrip",    "maketrans",  "partition",    "removeprefix",
      "removesuffix", "replace",     "rfind",     "rindex",     "rjust",        "rpartition",
      "rsplit",       "rstrip",      "split",     "splitlines", "startswith",   "strip",
      "swapcase",     "title",       "translate", "upper",      "zfill"};
  static const Names kDict = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                              "pop",   "popitem", "setdefault", "update", "values"};
  static const Names kList = {"append", "clear", "copy",   "count",   "extend", "index",
                              "insert", "pop",   "remove", "reverse", "sort"};
  static const Names kTuple = {"count", "index"};
  static const Names kLoop = {"cycle"};
  static const Names kNone;
  if (value.text() != nullptr) return kString;
  if (value.dict() != nullptr) return kDict;
  if (const List* list = value.list()) return list->is_tuple ? kTuple : kList;
  return value.loop() != nullptr ? kLoop : kNone;
}

Value texts(Budget& budget, std::vector<std::string> parts, bool is_tuple = false) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (std::string& part : parts) items.push_back(make_text(std::move(part)));
  return make_list(budget, std::move(items), is_tuple);
}

// What strip(), lstrip() and rstrip() have in common.
Value stripped(const std::string& text, Arguments& arguments, Side side) {
  const Value* set = arguments.find(0, "");
  const std::string_view rest = set == nullptr || set->is_none()
                                    ? strip(text, side)
                                    : strip(text, arguments.text(0, ""), side);
  return make_text(std::string(rest));
}

Value split(Budget& budget, const std::string& text, Arguments& arguments, bool from_right) {
  const Value* separator = arguments.find(0, "sep");
  const std::int64_t most = arguments.integer(1, "maxsplit", -1);
  if (separator == nullptr || separator->is_none()) {
    return texts(budget, split_spaces(text, most, from_right));
  }
  const std::string& at = arguments.text(0, "sep");
  if (at.empty()) fail("expected a separator to split at, found an empty string");
  return texts(budget, split_at(text, at, most, from_right));
}

Value partition(Budget& budget, const std::string& text, Arguments& arguments, bool from_right) {
  const std::string& at = arguments.text(0, "");
  if (at.empty()) fail("expected a separator to split at, found an empty string");
  const std::size_t place = from_right ? text.rfind(at) : text.find(at);
  if (place != std::string::npos) {
    return texts(budget, {text.substr(0, place), at, text.substr(place + at.size())}, true);
  }
  if (from_right) return texts(budget, {"", "", text}, true);
  return texts(budget, {text, "", ""}, true);
}

// startswith() and endswith(): a string, or a tuple of which one has to fit.
template <typename Fits>
Value fits(Arguments& arguments, Fits&& fits_one) {
  const Value& wanted = arguments.at(0, "");
  if (const List* list = wanted.list(); list != nullptr && list->is_tuple) {
    for (const Value& item : list->items) {
      if (item.text() == nullptr) fail("expected strings, found " + describe(item));
      if (fits_one(*item.text())) return Value(true);
    }
    return Value(false);
  }
  return Value(static_cast<bool>(fits_one(arguments.text(0, ""))));
}

std::int64_t count_of(std::string_view text, std::string_view part) {
  if (part.empty()) return static_cast<std::int64_t>(code_points_in(text)) + 1;
  std::int64_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

Value join_items(Budget& budget, const std::string& separator, Arguments& arguments) {
  std::string joined;
  bool first = true;
  for (const Value& item : elements(budget, arguments.at(0, ""))) {
    if (item.text() == nullptr) fail("expected strings to join, found " + describe(item));
    budget.bytes(separator.size() + item.text()->size());
    if (!first) joined += separator;
    joined += *item.text();
    first = false;
  }
  return make_text(std::move(joined));
}

Value find_in(std::string_view text, std::size_t place) {
  if (place == std::string_view::npos) return make_integer(-1);
  return make_integer(static_cast<std::int64_t>(code_points_in(text.substr(0, place))));
}

bool all_digits(const std::string& text) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  if (!ascii) fail("isdigit() of characters outside ASCII is not supported");
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

using StringMethod = std::function<Value(Budget&, const std::string&, Arguments&)>;

const std::map<std::string_view, StringMethod>& string_methods() {
  static const std::map<std::string_view, StringMethod> kMethods = {
      {"strip", [](Budget&, const auto& s, auto& a) { return stripped(s, a, Side::kBoth); }},
      {"lstrip", [](Budget&, const auto& s, auto& a) { return stripped(s, a, Side::kLeft); }},
      {"rstrip", [](Budget&, const auto& s, auto& a) { return stripped(s, a, Side::kRight); }},
      {"split", [](Budget& b, const auto& s, auto& a) { return split(b, s, a, false); }},
      {"rsplit", [](Budget& b, const auto& s, auto& a) { return split(b, s, a, true); }},
      {"splitlines", [](Budget& b, const auto& s, auto&) { return texts(b, split_lines(s)); }},
      {"partition", [](Budget& b, const auto& s, auto& a) { return partition(b, s, a, false); }},
      {"rpartition", [](Budget& b, const auto& s, auto& a) { return partition(b, s, a, true); }},
      {"upper", [](Budget&, const auto& s, auto&) { return make_text(upper(s)); }},
      {"lower", [](Budget&, const auto& s, auto&) { return make_text(lower(s)); }},
      {"title", [](Budget&, const auto& s, auto&) { return make_text(title(s)); }},
      {"capitalize", [](Budget&, const auto& s, auto&) { return make_text(capitalize(s)); }},
      {"join", [](Budget& b, const auto& s, auto& a) { return join_items(b, s, a); }},
      {"isdigit", [](Budget&, const auto& s, auto&) { return Value(all_digits(s)); }},
      {"isspace", [](Budget&, const auto& s,
                     auto&) { return Value(!s.empty() && strip(s, Side::kLeft).empty()); }},
      {"startswith",
       [](Budget&, const auto& s, auto& a) {
         return fits(a, [&](const std::string& part) { return s.starts_with(part); });
       }},
      {"endswith",
       [](Budget&, const auto& s, auto& a) {
         return fits(a, [&](const std::string& part) { return s.ends_with(part); });
       }},
      {"removeprefix",
       [](Budget&, const auto& s, auto& a) {
         const std::string& part = a.text(0, "");
         return make_text(s.starts_with(part) ? s.substr(part.size()) : s);
       }},
      {"removesuffix",
       [](Budget&, const auto& s, auto& a) {
         const std::string& part = a.text(0, "");
         return make_text(s.ends_with(part) ? s.substr(0, s.size() - part.size()) : s);
       }},
      {"find", [](Budget&, const auto& s, auto& a) { return find_in(s, s.find(a.text(0, ""))); }},
      {"rfind", [](Budget&, const auto& s, auto& a) { return find_in(s, s.rfind(a.text(0, ""))); }},
      {"count",
       [](Budget&, const auto& s, auto& a) { return make_integer(count_of(s, a.text(0, ""))); }},
      {"replace", [](Budget& b, const auto& s, auto& a) {
         return make_text(replace(b, s, a.text(0, ""), a.text(1, ""), a.integer(2, "count", -1)));
       }}};
  return kMethods;
}

[[noreturn]] void not_supported(const Value& self, std::string_view name, std::string_view known) {
  fail("expected a method of " + describe(self) + " that is supported (" + std::string(known) +
       "), found '" + std::string(name) + "'");
}

Value string_method(Budget& budget, const Value& self, std::string_view name,
                    Arguments& arguments) {
  const auto& methods = string_methods();
  const auto method = methods.find(name);
  if (method == methods.end()) {
    std::string known;
    for (const auto& entry : methods) {
      known += (known.empty() ? "" : ", ") + std::string(entry.first);
    }
    not_supported(self, name, known);
  }
  std::size_t longest = 1;
  for (const Value& argument : arguments.positional) {
    if (argument.text() != nullptr) longest = std::max(longest, argument.text()->size());
  }
  charge_search(budget, *self.text(), std::string_view(*self.text()).substr(0, longest));
  return method->second(budget, *self.text(), arguments);
}

Value dict_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments) {
  const Dict& dict = *self.dict();
  if (name == "get") {
    if (const Value* found = dict.find(arguments.at(0, ""))) {
      arguments.find(1, "");
      return *found;
    }
    const Value* fallback = arguments.find(1, "");
    return fallback == nullptr ? Value(None{}) : *fallback;
  }
  if (name == "copy") return self;
  if (name != "items" && name != "keys" && name != "values") {
    not_supported(self, name, "copy, get, items, keys, values; none that changes it");
  }
  std::vector<Value> items;
  budget.step(dict.items.size());
  for (const auto& [key, value] : dict.items) {
    if (name == "items") {
      items.push_back(make_list(budget, {key, value}, true));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return make_list(budget, std::move(items));
}

Value list_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments) {
  const List& list = *self.list();
  if (name == "copy") return self;
  if (name == "count" || name == "index") {
    const Value& wanted = arguments.at(0, "");
    std::int64_t count = 0;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (!are_equal(budget, list.items[i], wanted)) continue;
      if (name == "index") return make_integer(static_cast<std::int64_t>(i));
      ++count;
    }
    if (name == "count") return make_integer(count);
    fail("expected a value that is in the list, found " + describe(wanted) + " that is not");
  }
  not_supported(self, name, "copy, count, index; none that changes it");
}

}  // namespace

const Value* Arguments::find(std::size_t place, std::string_view name) {
  known_places_ = std::max(known_places_, place + 1);
  const Value* found = place < positional.size() ? &positional[place] : nullptr;
  if (name.empty()) return found;
  known_names_.push_back(name);
  for (const auto& [given, value] : named) {
    if (given != name) continue;
    if (found != nullptr) fail("found the argument '" + given + "' twice");
    return &value;
  }
  return found;
}

const Value& Arguments::at(std::size_t place, std::string_view name) {
  if (const Value* found = find(place, name)) return *found;
  fail("expected an argument" + (name.empty() ? "" : " '" + std::string(name) + "'") +
       " at place " + std::to_string(place + 1) + ", found none");
}

bool Arguments::flag(std::size_t place, std::string_view name, bool fallback) {
  const Value* found = find(place, name);
  return found == nullptr ? fallback : is_true(*found);
}

std::int64_t Arguments::integer(std::size_t place, std::string_view name, std::int64_t fallback) {
  const Value* found = find(place, name);
  if (found == nullptr || found->is_none()) return fallback;
  return integer_of(*found, "the argument '" + std::string(name) + "'");
}

const std::string& Arguments::text(std::size_t place, std::string_view name) {
  const Value& found = at(place, name);
  if (found.text() == nullptr) {
    fail("expected a string as argument" + (name.empty() ? "" : " '" + std::string(name) + "'") +
         ", found " + describe(found));
  }
  return *found.text();
}

void Arguments::finish() const {
  if (positional.size() > known_places_) {
    fail("expected at most " + std::to_string(known_places_) + " arguments without a name, found " +
         std::to_string(positional.size()));
  }
  for (const auto& [name, value] : named) {
    if (std::ranges::find(known_names_, name) == known_names_.end()) {
      fail("found an argument '" + name + "' that is not known or not supported here");
    }
  }
}

bool has_method(const Value& value, std::string_view name) {
  const Names& names = methods_of(value);
  return std::ranges::find(names, name) != names.end();
}

Value call_method(Budget& budget, const Value& self, std::string_view name, Arguments& arguments) {
  if (const Loop* loop = self.loop()) {
    if (arguments.positional.empty()) fail("expected something for loop.cycle() to go through");
    return arguments.positional[loop->index % arguments.positional.size()];
  }
  Value result = self.text() != nullptr   ? string_method(budget, self, name, arguments)
                 : self.dict() != nullptr ? dict_method(budget, self, name, arguments)
                                          : list_method(budget, self, name, arguments);
  arguments.finish();
  return result;
}

void charge_search(Budget& budget, std::string_view text, std::string_view part) {
  budget.bytes(text.size());
  budget.step(text.size() / 4096 * std::min(part.size(), text.size()));
}

std::string replace(Budget& budget, std::string_view text, std::string_view old,
                    std::string_view with, std::int64_t most) {
  std::string result;
  charge_search(budget, text, old);
  const auto add = [&](std::string_view part) {
    budget.bytes(part.size());
    result += part;
  };
  std::size_t at = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    budget.step();
    if (old.empty()) {  // around every character
      add(with);
      if (at == text.size()) return result;
      const std::size_t bytes = code_point_at(text, at).bytes;
      add(text.substr(at, bytes));
      at += bytes;
      continue;
    }
    const std::size_t found = text.find(old, at);
    if (found == std::string_view::npos) break;
    add(text.substr(at, found - at));
    add(with);
    at = found + old.size();
  }
  add(text.substr(at));
  return result;
}

}  // namespace lethe::models::jinja
