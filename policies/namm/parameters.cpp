// SPDX-License-Identifier: Apache-2.0
#include "policies/namm/parameters.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "harness/base/error.h"
#include "harness/base/hash.h"
#include "harness/base/names.h"
#include "harness/base/text.h"

namespace lethe::policies {
namespace {

constexpr std::string_view kSchema = "lethe.namm";
constexpr std::int64_t kVersion = 1;
constexpr std::int64_t kLargestHidden = 1024;
constexpr std::int64_t kLongestInterval = 1 << 20;
const std::vector<std::string> kVariants = {"bam", "mlp"};  // in the order of the enumeration

[[noreturn]] void fail(std::string_view where, const std::string& what) {
  throw Error(ErrorKind::kData, std::string(where) + ": " + what);
}

void expect_equal(std::string_view where, const std::string& name, std::string_view expected,
                  const std::string& found) {
  if (found != expected) {
    fail(where, name + ": expected \"" + std::string(expected) + "\", found \"" + found + "\"");
  }
}

void check_shape(const NammParameters& parameters, std::string_view where) {
  if (parameters.hidden < 1 || parameters.hidden > kLargestHidden) {
    fail(where, "hidden: expected from 1 to " + std::to_string(kLargestHidden) + ", found " +
                    std::to_string(parameters.hidden));
  }
  const std::int64_t interval = parameters.update_interval;
  constexpr auto kHop = static_cast<std::int64_t>(kNammHop);
  if (interval < kHop || interval > kLongestInterval || interval % kHop != 0) {
    fail(where, "update_interval: expected a multiple of " + std::to_string(kHop) +
                    " (the hop of the transform) up to " + std::to_string(kLongestInterval) +
                    ", found " + std::to_string(interval));
  }
}

void check_finite(std::span<const float> values, const std::string& name, std::string_view where) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(where, name + "[" + std::to_string(i) + "]: expected a finite number, found " +
                      std::to_string(values[i]));
    }
  }
}

json::array numbers(std::span<const float> values) {
  json::array out;
  out.reserve(values.size());
  for (const float value : values) out.push_back(static_cast<double>(value));
  return out;
}

void read_numbers(ObjectReader& reader, std::string_view name, std::span<float> out) {
  const json::array& values = reader.array(name);
  if (values.size() != out.size()) {
    fail(reader.where(name), "expected " + std::to_string(out.size()) + " numbers, found " +
                                 std::to_string(values.size()));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!values[i].is_number()) {
      fail(reader.where(name), "[" + std::to_string(i) + "]: expected a number, found " +
                                   std::string(describe_type(values[i])));
    }
    out[i] = static_cast<float>(values[i].to_number<double>());
  }
}

}  // namespace

std::string_view to_string(NammVariant variant) {
  return kVariants[static_cast<std::size_t>(variant)];
}

std::size_t namm_weight_count(NammVariant variant, std::int64_t hidden) {
  const auto d = static_cast<std::size_t>(hidden);
  constexpr std::size_t kIn = kNammFeatures;
  const std::size_t inner = variant == NammVariant::kBam
                                ? kIn * 3 * d + 3 * d + d * 2 * kIn + 2 * kIn
                                : kIn * d + d + d * kIn + kIn;
  return inner + kIn + 1;
}

NammParameters zero_namm_parameters(NammVariant variant, std::int64_t hidden,
                                    std::int64_t update_interval) {
  NammParameters out;
  out.variant = variant;
  out.hidden = hidden;
  out.update_interval = update_interval;
  check_shape(out, "zero NAMM parameters");
  out.weights.assign(namm_weight_count(variant, hidden), 0.0F);
  out.deviation.fill(1);
  return out;
}

void check_namm_parameters(const NammParameters& parameters, std::string_view where) {
  check_shape(parameters, where);
  const std::size_t count = namm_weight_count(parameters.variant, parameters.hidden);
  if (parameters.weights.size() != count) {
    fail(where, "weights: expected " + std::to_string(count) + " numbers (" +
                    std::string(to_string(parameters.variant)) + ", hidden " +
                    std::to_string(parameters.hidden) + "), found " +
                    std::to_string(parameters.weights.size()));
  }
  check_finite(parameters.weights, "weights", where);
  check_finite(parameters.mean, "mean", where);
  check_finite(parameters.deviation, "deviation", where);
  const auto small = std::find_if(parameters.deviation.begin(), parameters.deviation.end(),
                                  [](float value) { return value < kNammLeastDeviation; });
  if (small != parameters.deviation.end()) {
    fail(where, "deviation[" + std::to_string(small - parameters.deviation.begin()) +
                    "]: expected at least 1e-7, found " + std::to_string(*small));
  }
}

std::string namm_content_sha256(const NammParameters& parameters) {
  Sha256 hash;
  hash.update(std::string(kNammFeatureSchema) + "\n" + std::string(to_string(parameters.variant)) +
              "\n" + std::to_string(parameters.hidden) + "\n" +
              std::to_string(parameters.update_interval) + "\n");
  const auto add = [&](std::span<const float> values) {
    hash.update({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  };
  add(parameters.weights);
  add(parameters.mean);
  add(parameters.deviation);
  return hash.hex();
}

json::object to_json(const NammParameters& parameters) {
  return {{"schema", kSchema},
          {"version", kVersion},
          {"features", kNammFeatureSchema},
          {"variant", to_string(parameters.variant)},
          {"hidden", parameters.hidden},
          {"update_interval", parameters.update_interval},
          {"weights", numbers(parameters.weights)},
          {"mean", numbers(parameters.mean)},
          {"deviation", numbers(parameters.deviation)},
          {"provenance", parameters.provenance}};
}

NammParameters namm_parameters_of(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, ErrorKind::kData);
  expect_equal(where, "schema", kSchema, reader.string("schema"));
  if (const std::int64_t version = reader.integer("version"); version != kVersion) {
    fail(where, "version: expected " + std::to_string(kVersion) + ", found " +
                    std::to_string(version) + "; it is of another version of Lethe");
  }
  expect_equal(where, "features", kNammFeatureSchema, reader.string("features"));
  NammParameters out;
  const std::string variant = reader.string("variant");
  const auto found = std::find(kVariants.begin(), kVariants.end(), variant);
  if (found == kVariants.end()) {
    throw unknown_name(ErrorKind::kData, where + ": variant", variant, kVariants);
  }
  out.variant = static_cast<NammVariant>(found - kVariants.begin());
  out.hidden = reader.integer("hidden");
  out.update_interval = reader.integer("update_interval");
  check_shape(out, where);  // before its numbers are asked for
  out.weights.resize(namm_weight_count(out.variant, out.hidden));
  read_numbers(reader, "weights", out.weights);
  read_numbers(reader, "mean", out.mean);
  read_numbers(reader, "deviation", out.deviation);
  if (const json::value* provenance = reader.find("provenance")) {
    if (!provenance->is_object()) {
      fail(reader.where("provenance"),
           "expected an object, found " + std::string(describe_type(*provenance)));
    }
    out.provenance = provenance->get_object();
  }
  reader.finish();
  check_namm_parameters(out, where);
  return out;
}

NammParameters read_namm_file(const std::filesystem::path& path) {
  return namm_parameters_of(read_json_file(path, ErrorKind::kData), path.string());
}

void write_namm_file(const std::filesystem::path& path, const NammParameters& parameters) {
  check_namm_parameters(parameters, path.string());
  write_file_atomically(path, canonical_json(to_json(parameters)) + "\n");
}

}  // namespace lethe::policies
