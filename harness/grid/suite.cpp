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
  Suite finish(const std::string& file) {
    const auto require = [&](bool there, const char* name) {
      if (!there) bad(file, std::string("member '") + name + "' is missing");
    };
    require(!suite_.name.empty(), "name");
    require(!suite_.models.empty(), "models");
    require(!suite_.tasks.empty(), "tasks");
    require(!suite_.policies.empty(), "policies");
    require(!suite_.lengths.empty(), "lengths");
    if (suite_.title.empty()) suite_.title = suite_.name;
    if (suite_.schedules.empty()) suite_.schedules = {"exact"};
    if (suite_.positions.empty()) suite_.positions = {"original"};
    if (suite_.dtypes.empty()) suite_.dtypes = {"float32"};
    if (suite_.kv_dtypes.empty()) suite_.kv_dtypes = {"same"};
    if (suite_.seeds.empty()) suite_.seeds = {0};
    suite_.sha256 = hashes_.size() == 1 ? hashes_.front() : sha256_hex(join(hashes_, "\n"));
    return std::move(suite_);
  }

  Suite& suite() { return suite_; }

 private:
  std::string chain() const { return join(chain_, " -> "); }

  /// Includes first: what this file says then replaces what they said.
  void apply(const json::value& root, const fs::path& path) {
    ObjectReader reader(root, path.string(), ErrorKind::kConfig);
    for (const auto name : kAxisNames) reader.find(name);
    for (const char* name :
         {"include", "name", "title", "report", "plugins", "overrides", "exclude"}) {
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
    for (std::size_t i = 0; i < kAxes; ++i) {
      const auto axis = static_cast<Axis>(i);
      const auto name = axis_name(axis);
      if (reader.has(name)) read_axis(axis, reader.array(name), reader.where(name), suite_);
    }
    if (reader.has("overrides")) {
      suite_.overrides = read_overrides(reader.array("overrides"), reader.where("overrides"));
    }
    if (reader.has("exclude")) {
      suite_.exclude = read_exclusions(reader.array("exclude"), reader.where("exclude"));
    }
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
  std::vector<std::string> chain_;   ///< files being read, as written
  std::vector<fs::path> open_;       ///< the same, resolved
  std::vector<std::string> hashes_;  ///< of every file read
};

}  // namespace

Suite read_suite(const fs::path& path, const Overrides& overrides, const fs::path& shipped) {
  Reader reader(shipped);
  reader.read(path);
  apply_command_line(overrides, reader.suite());
  return reader.finish(path.string());
}

}  // namespace lethe::grid
