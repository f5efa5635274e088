// SPDX-License-Identifier: Apache-2.0
#include "tests/lint/arrows.h"

#include <fnmatch.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "harness/base/error.h"

namespace lethe::test {

std::string Arrows::room_of(std::string_view path) const {
  std::string_view best_prefix;
  std::string best;
  for (const auto& [prefix, room] : rooms) {
    if (path.starts_with(prefix) && prefix.size() > best_prefix.size()) {
      best_prefix = prefix;
      best = room;
    }
  }
  return best;
}

Arrows parse_arrows(const std::string& text) {
  Arrows arrows;
  std::size_t number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    std::istringstream words(line);
    std::string kind, name, word;
    if (!(words >> kind) || kind.front() == '#') continue;
    if (kind != "room" && kind != "may" && kind != "only" && kind != "generated") {
      throw Error(ErrorKind::kConfig, "arrows.txt:" + std::to_string(number) + ": '" + kind +
                                          "' is none of room, may, only, generated");
    }
    words >> name;
    if (kind == "generated") arrows.generated.insert(name);
    while (words >> word) {
      if (kind == "room") arrows.rooms.emplace_back(word, name);
      if (kind == "may") arrows.may[name].insert(word);
      if (kind == "only") arrows.only[name].push_back(word);
    }
  }
  for (const auto& [room, targets] : arrows.may) {
    for (const std::string& target : targets) {
      const auto& rooms = arrows.rooms;
      if (std::none_of(rooms.begin(), rooms.end(), [&](auto& r) { return r.second == target; })) {
        throw Error(ErrorKind::kConfig, "arrows.txt: 'may " + room + "' names no room: " + target);
      }
    }
  }
  return arrows;
}

std::vector<std::string> broken_arrows(const Arrows& arrows, const std::vector<SourceFile>& files) {
  static const std::regex include_line(R"(^\s*#\s*include\s*(["<])([^">]+)[">])");
  std::vector<std::string> broken;
  for (const SourceFile& file : files) {
    const std::string room = arrows.room_of(file.path);
    if (room.empty() || !is_cpp(file.path)) continue;
    std::size_t number = 0;
    for (const std::string& line : lines_of(file.text)) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, include_line)) continue;
      const std::string target = match[2];
      const std::string where = file.path + ":" + std::to_string(number) + ": ";
      for (const auto& [prefix, globs] : arrows.only) {
        const bool allowed = std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
          return fnmatch(glob.c_str(), file.path.c_str(), 0) == 0;
        });
        if (target.starts_with(prefix) && !allowed) {
          broken.push_back(where + "<" + target + "> is not for this file");
        }
      }
      if (match[1] == "<" || arrows.generated.contains(target)) continue;
      const std::string target_room = arrows.room_of(target);
      if (target_room.empty()) {
        broken.push_back(where + "\"" + target + "\" is in no room (write includes from the root)");
      } else if (target_room != room &&
                 !(arrows.may.contains(room) && arrows.may.at(room).contains(target_room))) {
        broken.push_back(where + room + " may not include " + target_room + " (" + target + ")");
      }
    }
  }
  return broken;
}

}  // namespace lethe::test
