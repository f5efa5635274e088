// SPDX-License-Identifier: Apache-2.0
#include "harness/store/cache_size.h"

#include <string>

#include "harness/base/json.h"

namespace lethe::store {

std::optional<CacheSize> cache_size(std::string_view layers, std::string_view where) {
  if (layers.empty()) return std::nullopt;
  const std::string place = std::string(where) + ": layers";
  const json::value parsed = parse_json(layers, place, ErrorKind::kStore);
  const json::array* list = parsed.if_array();
  if (!list) {
    throw Error(ErrorKind::kStore,
                place + ": expected an array, found " + std::string(describe_type(parsed)));
  }
  if (list->empty()) return std::nullopt;
  CacheSize size;
  for (const json::value& item : *list) {
    ObjectReader layer(item, place, ErrorKind::kStore);
    for (const char* member : {"mean_lifetime", "kept_max", "live_bytes", "peak_live_bytes"}) {
      if (!layer.has(member)) return std::nullopt;
    }
    size.mean += layer.number("mean_lifetime");
    const double kept = layer.number("kept_max");
    const double live = layer.number("live_bytes");
    // Bytes of a token follow from those of the tokens that are there at the end.
    size.peak += live > 0 ? kept * layer.number("peak_live_bytes") / live : kept;
  }
  const auto count = static_cast<double>(list->size());
  return CacheSize{size.mean / count, size.peak / count};
}

}  // namespace lethe::store
