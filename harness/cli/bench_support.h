// SPDX-License-Identifier: Apache-2.0
// What the benchmarks of the engine share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "harness/cli/options.h"
#include "models/checkpoint/checkpoint.h"
#include "models/tokenizer/tokenizer.h"

namespace lethe::cli {

/// "1,8,32" as numbers of at least 1. Throws Error(kUsage) naming `option`.
std::vector<std::int64_t> positive_integers(const std::string& text, const std::string& option);

/// Dtypes that --dtypes names, or float32, and bfloat16 where the CPU or device has units for it.
/// Throws Error(kConfig) for an unknown one.
std::vector<std::string> bench_dtypes(const std::string& given, const std::string& device);

/// The shipped PG-19 books one after another, until there are enough tokens. Throws Error(kUsage)
/// when they have fewer.
std::vector<std::int64_t> book_tokens(const models::Tokenizer& tokenizer, std::int64_t count);

/// A model and a text to measure with.
struct BenchInput {
  std::string model;  ///< name under which results are known
  std::shared_ptr<const models::Checkpoint> checkpoint;
  std::int64_t ids = 0;              ///< of the tokenizer
  std::vector<std::int64_t> tokens;  ///< of the shipped books
};

/// Makes device and threads ready as --device and --threads say, and opens `model` and so many
/// tokens of text. Throws as require_device(), resolve_model() and book_tokens().
BenchInput open_bench(const Options& options, const std::string& model, std::int64_t tokens);

/// Of at least one value.
double median(std::vector<double> values);
/// (largest - smallest) / median: how far the rounds of a measurement lie apart.
double spread(const std::vector<double>& values);

/// Machine and versions, for the head of a report.
json::object bench_machine(const std::string& model, const std::string& device);
/// The same in a line.
std::string bench_machine_line(const std::string& device);

}  // namespace lethe::cli
