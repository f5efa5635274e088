// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/suite.h"

#include <algorithm>
#include <set>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/grid/conditions.h"

namespace lethe::grid {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void bad(const std::string& where, const std::string& why) {
  throw Error(ErrorKind::kConfig, where + ": " + why);
}

// "tova,snapkv:window=64,kernel=5" -> "tova", "snapkv:window=64,kernel=5": a part that is an option
// ("key=value" without a name before it) belongs to the policy before it.
json::array split_policies(std::string_view text) {
  json::array out;
  for (const auto& part : split(text, ',')) {
    const auto equals = part.find('=');
    const bool option = equals != std::string::npos && part.find(':') > equals;
    if (option && !out.empty()) {
      auto& last = out.back().get_string();
      last += last.find(':') == json::string::npos ? ":" : ",";
      last += part;
    } else {
      out.emplace_back(part);
    }
  }
  return out;
}

json::array command_line_items(Axis axis, const std::string& text, const Suite& suite) {
  if (axis == Axis::kPolicies) return split_policies(text);
  json::array out;
  for (const auto& part : split(text, ',')) {
    const auto task = std::find_if(suite.tasks.begin(), suite.tasks.end(),
                                   [&](const auto& known) { return known.first == part; });
    if (axis == Axis::kTasks && task != suite.tasks.end()) {
      auto options = task->second;
      options["name"] = part;
      out.push_back(std::move(options));
    } else {
      out.emplace_back(part);
    }
  }
  return out;
}

void apply_command_line(const Overrides& overrides, Suite& suite) {
  const Axes written = suite;
  for (const auto& [name, text] : overrides) {
    const Axis axis = find_axis(name, "--set: axis");
    const std::string where = "--set " + name;
    if (text.empty()) bad(where, "expected values, found none");
    copy_axis(written, axis, suite.replaced);
    read_axis(axis, command_line_items(axis, text, suite), where, suite);
    suite.axes_replaced = true;
  }
}

// The name becomes a folder (report/<name>/).
void check_name(const std::string& name, const std::string& where) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (name.empty() || name.front() == '.' || !std::all_of(name.begin(), name.end(), plain)) {
    bad(where, "expected letters, digits, '-', '_' and '.', found '" + name + "'");
  }
}

/// Reads files and what they include into one suite.
class Reader {
 public:
  explicit Reader(fs::path shipped) : shipped_(std::move(shipped)) {}

  void read(const fs::path& path) {
    std::error_code ec;
    const fs::path identity = fs::weakly_canonical(path, ec);
    const bool cycle = std::find(open_.begin(), open_.end(), identity) != open_.end();
    chain_.push_back(path.string());
    if (cycle) bad(chain(), "a suite that includes itself; take one of these includes out");
    open_.push_back(identity);
    const std::string content = read_file(path, ErrorKind::kConfig);
    hashes_.push_back(sha256_hex(content));
    apply(parse_json(content, path.string(), ErrorKind::kConfig), path);
    open_.pop_back();
    chain_.pop_back();
  }

  /// What every suite needs is there; the rest gets its default.
  Suite finish(const std::string& file, const Overrides& overrides) {
    if (suite_.name.empty()) bad(file, "member 'name' is missing");
    if (suite_.title.empty()) suite_.title = suite_.name;
    suite_.sha256 = hashes_.size() == 1 ? hashes_.front() : sha256_hex(join(hashes_, "\n"));
    for (const auto& [value, where] : parts_) {
      Suite part = suite_;
      part.parts.clear();
      ObjectReader reader(value, where, ErrorKind::kConfig);
      for (const auto name : kAxisNames) reader.find(name);
      for (const char* name : {"overrides", "exclude"}) reader.find(name);
      reader.finish();
      apply_grid(reader, part);
      apply_command_line(overrides, part);
      complete(part, where);
      suite_.parts.push_back(std::move(part));
    }
    apply_command_line(overrides, suite_);
    if (parts_.empty()) complete(suite_, file);
    return std::move(suite_);
  }

 private:
  std::string chain() const { return join(chain_, " -> "); }

  /// Includes first: what this file says then replaces what they said.
  void apply(const json::value& root, const fs::path& path) {
    ObjectReader reader(root, path.string(), ErrorKind::kConfig);
    for (const auto name : kAxisNames) reader.find(name);
    for (const char* name : {"include", "name", "title", "report", "plugins", "overrides",
                             "exclude", "parts", "train"}) {
      reader.find(name);
    }
    reader.finish();
    if (reader.has("include")) include(reader.array("include"), path, reader.where("include"));

    if (reader.has("name")) {
      suite_.name = reader.string("name");
      check_name(suite_.name, reader.where("name"));
    }
    suite_.title = reader.string("title", suite_.title);
    suite_.report = reader.string("report", suite_.report);
    if (reader.has("plugins")) suite_.plugins = read_plugins(reader, path);
    apply_grid(reader, suite_);
    if (reader.has("train")) suite_.train = read_training(reader);
    if (reader.has("parts")) {
      parts_.clear();
      const json::array& parts = reader.array("parts");
      for (std::size_t i = 0; i < parts.size(); ++i) {
        parts_.emplace_back(parts[i], reader.where("parts") + "[" + std::to_string(i) + "]");
      }
      if (parts_.empty()) bad(reader.where("parts"), "expected at least one grid, found none");
    }
  }

  /// Axes, overrides and exclusions that `reader` states replace those of `suite`.
  static void apply_grid(ObjectReader& reader, Suite& suite) {
    for (std::size_t i = 0; i < kAxes; ++i) {
      const auto axis = static_cast<Axis>(i);
      const auto name = axis_name(axis);
      if (reader.has(name)) read_axis(axis, reader.array(name), reader.where(name), suite);
    }
    if (reader.has("overrides")) {
      suite.overrides = read_overrides(reader.array("overrides"), reader.where("overrides"));
    }
    if (reader.has("exclude")) {
      suite.exclude = read_exclusions(reader.array("exclude"), reader.where("exclude"));
    }
  }

  static void complete(Suite& suite, const std::string& where) {
    const auto require = [&](bool there, const char* name) {
      if (!there) bad(where, std::string("member '") + name + "' is missing");
    };
    require(!suite.models.empty(), "models");
    require(!suite.tasks.empty(), "tasks");
    require(!suite.policies.empty(), "policies");
    require(!suite.lengths.empty(), "lengths");
    if (suite.schedules.empty()) suite.schedules = {"exact"};
    if (suite.positions.empty()) suite.positions = {"original"};
    if (suite.dtypes.empty()) suite.dtypes = {"float32"};
    if (suite.kv_dtypes.empty()) suite.kv_dtypes = {"same"};
    if (suite.seeds.empty()) suite.seeds = {0};
  }

  static std::vector<TrainingWanted> read_training(ObjectReader& suite) {
    std::vector<TrainingWanted> all;
    const json::array& items = suite.array("train");
    for (std::size_t i = 0; i < items.size(); ++i) {
      ObjectReader reader(items[i], suite.where("train") + "[" + std::to_string(i) + "]",
                          ErrorKind::kConfig);
      TrainingWanted wanted;
      wanted.kind = reader.string("kind", wanted.kind);
      if (wanted.kind != "rmt" && wanted.kind != "namm") {
        bad(reader.where("kind"), "expected \"rmt\" or \"namm\", found \"" + wanted.kind + "\"");
      }
      wanted.recipe = reader.string("recipe");
      for (const json::value& seed : reader.array("seeds")) {
        if (!seed.is_int64() || seed.get_int64() < 0) {
          bad(reader.where("seeds"),
              "expected whole numbers from 0, found " + json::serialize(seed));
        }
        wanted.seeds.push_back(seed.get_int64());
      }
      reader.finish();
      all.push_back(std::move(wanted));
    }
    return all;
  }

  static std::vector<fs::path> read_plugins(ObjectReader& reader, const fs::path& from) {
    std::vector<fs::path> plugins;
    for (const json::value& item : reader.array("plugins")) {
      if (!item.is_string() || item.get_string().empty()) {
        bad(reader.where("plugins"),
            "expected paths of libraries, found " + std::string(describe_type(item)));
      }
      plugins.push_back(
          fs::absolute(from.parent_path() / std::string(item.get_string())).lexically_normal());
    }
    return plugins;
  }

  void include(const json::array& items, const fs::path& from, const std::string& where) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string place = where + "[" + std::to_string(i) + "]";
      if (!items[i].is_string() || items[i].get_string().empty()) {
        bad(place,
            "expected the name of a suite file, found " +
                (items[i].is_string() ? "an empty text" : std::string(describe_type(items[i]))));
      }
      read(find(std::string(items[i].get_string()), from, place));
    }
  }

  fs::path find(const std::string& name, const fs::path& from, const std::string& where) const {
    const fs::path beside = from.parent_path() / name;
    if (fs::is_regular_file(beside)) return beside;
    std::vector<std::string> known;
    if (!shipped_.empty()) {
      std::error_code ec;  // a folder that is not there holds no suite
      for (const auto& entry : fs::directory_iterator(shipped_, ec)) {
        if (entry.path().extension() == ".json") known.push_back(entry.path().stem().string());
      }
      std::sort(known.begin(), known.end());
      if (std::find(known.begin(), known.end(), name) != known.end()) {
        return shipped_ / (name + ".json");
      }
    }
    std::string message = where + ": there is no file " + beside.string();
    if (!known.empty()) message += " and no shipped suite of that name";
    if (const auto near = closest_name(name, known)) message += "; did you mean '" + *near + "'?";
    if (chain_.size() > 1) message += " (included by " + chain() + ")";
    throw Error(ErrorKind::kConfig, message);
  }

  fs::path shipped_;
  Suite suite_;
  std::vector<std::pair<json::value, std::string>> parts_;  ///< as written, and where
  std::vector<std::string> chain_;                          ///< files being read, as written
  std::vector<fs::path> open_;                              ///< the same, resolved
  std::vector<std::string> hashes_;                         ///< of every file read
};

}  // namespace

Suite read_suite(const fs::path& path, const Overrides& overrides, const fs::path& shipped) {
  Reader reader(shipped);
  reader.read(path);
  return reader.finish(path.string(), overrides);
}

}  // namespace lethe::grid
