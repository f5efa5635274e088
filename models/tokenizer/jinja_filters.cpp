// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

#include "models/tokenizer/jinja_format.h"
#include "models/tokenizer/jinja_operators.h"
#include "models/tokenizer/jinja_text.h"

namespace lethe::models::jinja {
namespace {

using Filter = Value (*)(Budget&, const Value&, Arguments&);

/// value.a.0.b for the text "a.0.b", or value[place] for an integer.
Value part_of(Budget& budget, const Value& value, const Value& path) {
  if (path.text() == nullptr) return item(budget, value, path);
  Value found = value;
  for (const std::string& name : split_at(*path.text(), ".", -1, false)) {
    std::int64_t place = 0;
    const char* end = name.data() + name.size();
    const bool is_place =
        !name.empty() && name.front() != '-' && std::from_chars(name.data(), end, place).ptr == end;
    found = item(budget, found, is_place ? make_integer(place) : make_text(name));
  }
  return found;
}

/// What sort, unique, min, max and dictsort compare: a part of the value, letters in one case.
Value sort_key(Budget& budget, const Value& value, const Value* path, bool case_sensitive) {
  Value key = path == nullptr || path->is_none() ? value : part_of(budget, value, *path);
  if (key.text() == nullptr || case_sensitive) return key;
  budget.bytes(key.text()->size());
  return make_text(lower(*key.text()));
}

Value sorted(Budget& budget, std::vector<std::pair<Value, Value>> keyed, bool reverse) {
  const auto earlier = [&](const auto& a, const auto& b) {
    return reverse ? is_less(budget, b.first, a.first) : is_less(budget, a.first, b.first);
  };
  std::ranges::stable_sort(keyed, earlier);
  std::vector<Value> items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return make_list(budget, std::move(items));
}

Value sort(Budget& budget, const Value& value, Arguments& arguments) {
  const bool reverse = arguments.flag(0, "reverse", false);
  const bool case_sensitive = arguments.flag(1, "case_sensitive", false);
  const Value* path = arguments.find(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& entry : elements(budget, value)) {
    Value key = sort_key(budget, entry, path, case_sensitive);
    keyed.emplace_back(std::move(key), std::move(entry));
  }
  return sorted(budget, std::move(keyed), reverse);
}

const Dict& dict_of(const Value& value) {
  if (value.dict() == nullptr) fail("expected a dict, found " + describe(value));
  return *value.dict();
}

Value sort_dict(Budget& budget, const Value& value, Arguments& arguments) {
  const bool case_sensitive = arguments.flag(0, "case_sensitive", false);
  const Value* by = arguments.find(1, "by");
  const bool reverse = arguments.flag(2, "reverse", false);
  const std::string place = by == nullptr ? "key" : arguments.text(1, "by");
  if (place != "key" && place != "value") fail("expected by='key' or 'value', found " + place);
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [name, content] : dict_of(value).items) {
    keyed.emplace_back(sort_key(budget, place == "key" ? name : content, nullptr, case_sensitive),
                       make_list(budget, {name, content}, true));
  }
  return sorted(budget, std::move(keyed), reverse);
}

Value items(Budget& budget, const Value& value, Arguments&) {
  std::vector<Value> pairs;
  if (!value.is_undefined()) {
    for (const auto& [name, content] : dict_of(value).items) {
      pairs.push_back(make_list(budget, {name, content}, true));
    }
  }
  return make_list(budget, std::move(pairs));
}

Value unique(Budget& budget, const Value& value, Arguments& arguments) {
  const bool case_sensitive = arguments.flag(0, "case_sensitive", false);
  const Value* path = arguments.find(1, "attribute");
  std::vector<Value> keys;
  std::vector<Value> kept;
  for (const Value& entry : elements(budget, value)) {
    Value key = sort_key(budget, entry, path, case_sensitive);
    const auto same = [&](const Value& known) { return are_equal(budget, known, key); };
    if (std::ranges::any_of(keys, same)) continue;
    keys.push_back(std::move(key));
    kept.push_back(entry);
  }
  return make_list(budget, std::move(kept));
}

Value extreme(Budget& budget, const Value& value, Arguments& arguments, bool largest) {
  const bool case_sensitive = arguments.flag(0, "case_sensitive", false);
  const Value* path = arguments.find(1, "attribute");
  Value best = make_undefined("the smallest or largest of nothing");
  Value best_key;
  bool found = false;
  for (const Value& entry : elements(budget, value)) {
    Value key = sort_key(budget, entry, path, case_sensitive);
    if (!found || (largest ? is_less(budget, best_key, key) : is_less(budget, key, best_key))) {
      best = entry;
      best_key = std::move(key);
      found = true;
    }
  }
  return best;
}

Value sum(Budget& budget, const Value& value, Arguments& arguments) {
  const Value* path = arguments.find(0, "attribute");
  const Value* start = arguments.find(1, "start");
  Value total = start == nullptr ? make_integer(0) : *start;
  for (const Value& entry : elements(budget, value)) {
    const bool whole = path == nullptr || path->is_none();
    total = binary(budget, "+", total, whole ? entry : part_of(budget, entry, *path));
  }
  return total;
}

/// The arguments behind the first `count` ones.
Arguments rest_of(Arguments& arguments, std::size_t count) {
  Arguments rest;
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    const Value* given = arguments.find(i, "");
    if (i >= count) rest.positional.push_back(*given);
  }
  return rest;
}

Value map(Budget& budget, const Value& value, Arguments& arguments) {
  std::vector<Value> results;
  if (arguments.positional.empty()) {
    const std::size_t by_name_only = 0;
    const Value& path = arguments.at(by_name_only, "attribute");
    const Value* fallback = arguments.find(by_name_only, "default");
    for (const Value& entry : elements(budget, value)) {
      Value part = part_of(budget, entry, path);
      results.push_back(part.is_undefined() && fallback != nullptr ? *fallback : std::move(part));
    }
    return make_list(budget, std::move(results));
  }
  const std::string name = arguments.text(0, "");
  for (const Value& entry : elements(budget, value)) {
    Arguments inner = rest_of(arguments, 1);
    for (const auto& [key, given] : arguments.named) {
      arguments.allow(key);
      inner.named.emplace_back(key, given);
    }
    results.push_back(apply_filter(budget, name, entry, inner));
  }
  return make_list(budget, std::move(results));
}

/// select, reject, selectattr and rejectattr: `taken` is what the test has to say.
Value select(Budget& budget, const Value& value, Arguments& arguments, bool by_part, bool taken) {
  const std::size_t first = by_part ? 1 : 0;
  const Value path = by_part ? arguments.at(0, "") : Value();
  const bool has_test = arguments.positional.size() > first;
  const std::string name = has_test ? arguments.text(first, "") : "";
  std::vector<Value> kept;
  for (const Value& entry : elements(budget, value)) {
    const Value subject = by_part ? part_of(budget, entry, path) : entry;
    Arguments inner = rest_of(arguments, first + 1);
    const bool result = has_test ? apply_test(budget, name, subject, inner) : is_true(subject);
    if (result == taken) kept.push_back(entry);
  }
  return make_list(budget, std::move(kept));
}

Value join(Budget& budget, const Value& value, Arguments& arguments) {
  const Value* separator = arguments.find(0, "d");
  const Value* path = arguments.find(1, "attribute");
  const std::string between = separator == nullptr ? "" : to_text(budget, *separator);
  std::string joined;
  bool first = true;
  for (const Value& entry : elements(budget, value)) {
    const bool whole = path == nullptr || path->is_none();
    if (!first) joined += between;
    joined += to_text(budget, whole ? entry : part_of(budget, entry, *path));
    budget.bytes(between.size());
    first = false;
  }
  return make_text(std::move(joined));
}

Value indent(Budget& budget, const Value& value, Arguments& arguments) {
  const Value* width = arguments.find(0, "width");
  const bool first = arguments.flag(1, "first", false);
  const bool blank = arguments.flag(2, "blank", false);
  std::string margin(4, ' ');
  if (width != nullptr && width->text() != nullptr) {
    margin = *width->text();
  } else if (width != nullptr) {
    const auto spaces = std::max<std::int64_t>(integer_of(*width, "an indent"), 0);
    budget.bytes(static_cast<std::size_t>(spaces));
    margin.assign(static_cast<std::size_t>(spaces), ' ');
  }
  std::string result = first ? margin : "";
  bool is_first = true;
  // The line end added here makes the last line one that ends.
  for (const std::string& line : split_lines(to_text(budget, value) + "\n")) {
    if (!is_first) {
      result += '\n';
      if (blank || !line.empty()) result += margin;
    }
    budget.bytes(line.size() + margin.size());
    result += line;
    is_first = false;
  }
  return make_text(std::move(result));
}

std::string without_marks(std::string_view text) {
  std::string digits(strip(text, Side::kBoth));
  std::erase(digits, '_');
  if (!digits.empty() && digits.front() == '+') digits.erase(0, 1);
  return digits;
}

std::optional<double> parse_real(std::string_view text) {
  const std::string digits = without_marks(text);
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (digits.empty() || parsed.ptr != end || parsed.ec != std::errc()) return std::nullopt;
  return value;
}

Value to_integer(Budget&, const Value& value, Arguments& arguments) {
  const Value* given = arguments.find(0, "default");
  const Value fallback = given == nullptr ? make_integer(0) : *given;
  if (arguments.integer(1, "base", 10) != 10) fail("the filter int with a base is not supported");
  if (value.is_undefined()) fail("expected a number, found " + describe(value));
  std::optional<double> real;
  if (value.real() != nullptr) real = *value.real();
  if (value.text() != nullptr) {
    const std::string digits = without_marks(*value.text());
    std::int64_t parsed = 0;
    const char* end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, parsed);
    if (!digits.empty() && result.ptr == end && result.ec == std::errc()) {
      return make_integer(parsed);
    }
    real = parse_real(*value.text());
  }
  if (real) {
    if (std::isnan(*real) && value.text() != nullptr) return fallback;
    if (!(std::abs(*real) < 0x1p63)) fail("expected a number of 64 bits, found a larger one");
    return make_integer(static_cast<std::int64_t>(*real));
  }
  return is_number(value) ? make_integer(integer_of(value, "the filter int")) : fallback;
}

Value to_real(Budget&, const Value& value, Arguments& arguments) {
  const Value* given = arguments.find(0, "default");
  const Value fallback = given == nullptr ? Value(0.0) : *given;
  if (value.is_undefined()) fail("expected a number, found " + describe(value));
  if (value.text() != nullptr) {
    const auto parsed = parse_real(*value.text());
    return parsed ? Value(*parsed) : fallback;
  }
  return is_number(value) ? Value(number_of(value, "the filter float")) : fallback;
}

Value round(Budget&, const Value& value, Arguments& arguments) {
  const std::int64_t precision = arguments.integer(0, "precision", 0);
  const Value* method = arguments.find(1, "method");
  const std::string how = method == nullptr ? "common" : arguments.text(1, "method");
  if (precision < 0 || precision > 100) fail("expected a precision of 0 to 100");
  if (how == "common") {
    if (value.real() == nullptr) return make_integer(integer_of(value, "the filter round"));
    if (!std::isfinite(*value.real())) return value;
    char text[512];
    std::snprintf(text, sizeof text, "%.*f", static_cast<int>(precision), *value.real());
    return Value(std::strtod(text, nullptr));
  }
  if (how != "ceil" && how != "floor") fail("expected method common, ceil or floor, found " + how);
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = number_of(value, "the filter round") * scale;
  return Value((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value to_json_text(Budget& budget, const Value& value, Arguments& arguments) {
  JsonStyle style;
  style.ascii_only = arguments.flag(0, "ensure_ascii", false);
  const Value* margin = arguments.find(1, "indent");
  const Value* separators = arguments.find(2, "separators");
  style.sort_keys = arguments.flag(3, "sort_keys", false);
  if (margin != nullptr && !margin->is_none()) {
    if (margin->text() != nullptr) {
      style.indent = *margin->text();
    } else {
      const auto width = std::max<std::int64_t>(integer_of(*margin, "an indent"), 0);
      budget.bytes(static_cast<std::size_t>(width));
      style.indent = std::string(static_cast<std::size_t>(width), ' ');
    }
    style.item_separator = ",";
  }
  if (separators != nullptr && !separators->is_none()) {
    const std::vector<Value> both = elements(budget, *separators);
    if (both.size() != 2 || both[0].text() == nullptr || both[1].text() == nullptr) {
      fail("expected two strings as separators, found " + describe(*separators));
    }
    style.item_separator = *both[0].text();
    style.key_separator = *both[1].text();
  }
  return make_text(to_json(budget, value, style));
}

// The filter: letters behind spaces, '-' and opening brackets; the method title() goes by letters.
Value title_words(Budget& budget, const Value& value, Arguments&) {
  const std::string text = to_text(budget, value);
  std::string result;
  bool starts = true;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const std::string_view letter = std::string_view(text).substr(at, point.bytes);
    result += starts ? upper(letter) : lower(letter);
    starts = is_space(point.code) ||
             (point.code < 0x80 && std::string_view("-({[<").find(static_cast<char>(point.code)) !=
                                       std::string_view::npos);
    at += point.bytes;
  }
  return make_text(std::move(result));
}

Value reverse(Budget& budget, const Value& value, Arguments&) {
  std::vector<Value> reversed = elements(budget, value);
  std::ranges::reverse(reversed);
  if (value.text() == nullptr) return make_list(budget, std::move(reversed));
  std::string text;
  for (const Value& character : reversed) text += *character.text();
  return make_text(std::move(text));
}

Value end_of(Budget& budget, const Value& value, bool first) {
  const std::vector<Value> all = elements(budget, value);
  if (all.empty()) return make_undefined("the first or last of nothing");
  return first ? all.front() : all.back();
}

Value replaced(Budget& budget, const Value& value, Arguments& arguments) {
  const std::string old = to_text(budget, arguments.at(0, "old"));
  const std::string with = to_text(budget, arguments.at(1, "new"));
  return make_text(
      replace(budget, to_text(budget, value), old, with, arguments.integer(2, "count", -1)));
}

Value trimmed(Budget& budget, const Value& value, Arguments& arguments) {
  const std::string text = to_text(budget, value);
  const Value* set = arguments.find(0, "chars");
  const bool spaces = set == nullptr || set->is_none();
  return make_text(std::string(spaces ? strip(text, Side::kBoth)
                                      : strip(text, arguments.text(0, "chars"), Side::kBoth)));
}

Value defaulted(Budget&, const Value& value, Arguments& arguments) {
  const Value* fallback = arguments.find(0, "default_value");
  const bool when_false = arguments.flag(1, "boolean", false);
  if (!value.is_undefined() && !(when_false && !is_true(value))) return value;
  return fallback == nullptr ? make_text("") : *fallback;
}

Value absolute(Budget&, const Value& value, Arguments&) {
  return is_number(value) && number_of(value, "abs") >= 0 && value.boolean() == nullptr
             ? value
             : negate(value);
}

Value counted(Budget& budget, const Value& value, Arguments&) {
  return make_integer(static_cast<std::int64_t>(length(budget, value)));
}

Value markup(Budget&, const Value&, Arguments&) {
  fail(
      "the filters safe, e and escape are supported at the end of {{ }} alone: what they return "
      "would change the operators around them");
}

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> kFilters = {
      {"abs", absolute},
      {"capitalize",
       [](Budget& b, const Value& v, Arguments&) { return make_text(capitalize(to_text(b, v))); }},
      {"count", counted},
      {"d", defaulted},
      {"default", defaulted},
      {"dictsort", sort_dict},
      {"e", markup},
      {"escape", markup},
      {"first", [](Budget& b, const Value& v, Arguments&) { return end_of(b, v, true); }},
      {"float", to_real},
      {"indent", indent},
      {"int", to_integer},
      {"items", items},
      {"join", join},
      {"last", [](Budget& b, const Value& v, Arguments&) { return end_of(b, v, false); }},
      {"length", counted},
      {"list", [](Budget& b, const Value& v, Arguments&) { return make_list(b, elements(b, v)); }},
      {"lower",
       [](Budget& b, const Value& v, Arguments&) { return make_text(lower(to_text(b, v))); }},
      {"map", map},
      {"max", [](Budget& b, const Value& v, Arguments& a) { return extreme(b, v, a, true); }},
      {"min", [](Budget& b, const Value& v, Arguments& a) { return extreme(b, v, a, false); }},
      {"reject",
       [](Budget& b, const Value& v, Arguments& a) { return select(b, v, a, false, false); }},
      {"rejectattr",
       [](Budget& b, const Value& v, Arguments& a) { return select(b, v, a, true, false); }},
      {"replace", replaced},
      {"reverse", reverse},
      {"round", round},
      {"safe", markup},
      {"select",
       [](Budget& b, const Value& v, Arguments& a) { return select(b, v, a, false, true); }},
      {"selectattr",
       [](Budget& b, const Value& v, Arguments& a) { return select(b, v, a, true, true); }},
      {"sort", sort},
      {"string", [](Budget& b, const Value& v, Arguments&) { return make_text(to_text(b, v)); }},
      {"sum", sum},
      {"title", title_words},
      {"tojson", to_json_text},
      {"trim", trimmed},
      {"unique", unique},
      {"upper",
       [](Budget& b, const Value& v, Arguments&) { return make_text(upper(to_text(b, v))); }}};
  return kFilters;
}

}  // namespace

Value apply_filter(Budget& budget, std::string_view name, const Value& value,
                   Arguments& arguments) {
  const auto filter = filters().find(name);
  if (filter == filters().end()) {
    std::string known;
    for (const auto& entry : filters()) {
      known += (known.empty() ? "" : ", ") + std::string(entry.first);
    }
    fail("expected a filter that is supported (" + known + "), found '" + std::string(name) + "'");
  }
  Value result = filter->second(budget, value, arguments);
  arguments.finish();
  return result;
}

std::string escaped(Budget& budget, std::string_view text) {
  std::string result;
  for (const char c : text) {
    const std::size_t place = std::string_view("&<>'\"").find(c);
    static constexpr std::string_view kNames[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    if (place == std::string_view::npos) {
      result += c;
    } else {
      result += kNames[place];
    }
  }
  budget.bytes(result.size());
  return result;
}

}  // namespace lethe::models::jinja
