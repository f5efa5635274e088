// SPDX-License-Identifier: Apache-2.0
// The one format in which long work leaves its state, to go on after a kill: named arrays, an
// identity, a checksum.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/base/error.h"

namespace lethe {

/// Collects named arrays. Layout of the result: "LSTATE1\n"; the length of the header as uint64;
/// the header, canonical JSON {"identity", "entries": [{"name", "type", "bytes"}]}; the arrays, one
/// after the other, little-endian; the SHA-256 of all that as 64 hex digits.
class StateWriter {
 public:
  /// Throws Error(kInternal) for a name that is there already.
  template <typename T>
  void put(const std::string& name, std::span<const T> values) {
    static_assert(std::is_arithmetic_v<T>);
    add(name, type_name<T>(),
        {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  template <typename T>
  void put(const std::string& name, const std::vector<T>& values) {
    put(name, std::span<const T>(values));
  }
  template <typename T>
  void put_value(const std::string& name, T value) {
    put(name, std::span<const T>(&value, 1));
  }

  /// `identity` says what the state belongs to; a reader accepts no other.
  std::string finish(std::string_view identity) const;

  /// "f4", "i8", …: kind and bytes of an element.
  template <typename T>
  static std::string type_name() {
    const char* kind = std::is_floating_point_v<T> ? "f" : std::is_signed_v<T> ? "i" : "u";
    return kind + std::to_string(sizeof(T));
  }

 private:
  struct Entry {
    std::string name, type;
    std::size_t bytes;
  };
  void add(const std::string& name, std::string type, std::string_view bytes);
  std::vector<Entry> entries_;
  std::string data_;
};

/// Reads what StateWriter wrote.
class StateReader {
 public:
  /// Throws Error(kData) when the bytes are damaged or cut, or of another identity.
  StateReader(std::string bytes, std::string_view identity);

  bool has(const std::string& name) const { return entries_.contains(name); }
  /// Throws Error(kData) when there is no such array, or it is of another type.
  template <typename T>
  std::vector<T> get(const std::string& name) const {
    const std::string_view raw = find(name, StateWriter::type_name<T>());
    if (raw.size() % sizeof(T)) throw Error(ErrorKind::kData, "state: '" + name + "' is cut");
    std::vector<T> values(raw.size() / sizeof(T));
    raw.copy(reinterpret_cast<char*>(values.data()), raw.size());
    return values;
  }
  template <typename T>
  T get_value(const std::string& name) const {
    const auto values = get<T>(name);
    if (values.size() != 1) throw Error(ErrorKind::kData, "state: '" + name + "' is no value");
    return values.front();
  }

 private:
  struct Entry {
    std::string type;
    std::size_t offset, bytes;
  };
  std::string_view find(const std::string& name, const std::string& type) const;
  std::string bytes_;
  std::map<std::string, Entry> entries_;
};

}  // namespace lethe
