// SPDX-License-Identifier: Apache-2.0
#include "models/engine/evaluate.h"

#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <tbb/global_control.h>
#include <torch/csrc/api/include/torch/version.h>

#include "harness/base/limits.h"
#include "harness/base/names.h"
#include "models/engine/decode.h"
#include "models/engine/dense.h"
#include "models/engine/device.h"
#include "models/engine/product_time.h"
#include "models/engine/scan.h"
#include "models/engine/step.h"
#include "models/transformer/decoder.h"

namespace lethe::models {
namespace {

class DecoderModel final : public Model {
 public:
  DecoderModel(const Checkpoint& checkpoint, DType dtype, const WeightSharing& sharing,
               const Placement& placement)
      : decoder_(checkpoint, dtype, sharing, placement) {}

  const ModelConfig& config() const override { return decoder_.config(); }
  DType dtype() const override { return decoder_.dtype(); }

  EvaluateResult evaluate(std::span<const std::int64_t> tokens, const policies::PolicyPlan& policy,
                          const EvaluateOptions& options) const override {
    check(tokens, policy, options);
    const c10::InferenceMode no_gradients;
    const auto start = std::chrono::steady_clock::now();
    EvaluateResult result = with_memory_errors(decoder_.placement().device, [&] {
      switch (options.path) {
        case Path::kScan:
          return scan(tokens, policy, options);
        case Path::kDense:
          return evaluate_dense(decoder_, tokens, options);
        case Path::kStep:
          break;
      }
      const StepLane lane{tokens, &policy, options};
      return evaluate_step(decoder_, {&lane, 1}).front();
    });
    result.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  ProductTime time_products(const EvaluateOptions& options, std::int64_t budget) const override {
    const c10::InferenceMode no_gradients;
    return with_memory_errors(decoder_.placement().device, [&] {
      return models::time_products(decoder_, options.chunk_tokens, options.block_rows, budget);
    });
  }

  void check(std::span<const std::int64_t> tokens, const policies::PolicyPlan& policy,
             const EvaluateOptions& options) const override {
    if (tokens.size() < 2) {
      throw Error(ErrorKind::kData,
                  "expected at least 2 tokens to score, found " + std::to_string(tokens.size()));
    }
    check_ids(tokens);
    policies::check_budget(policy, options.budget);
    policies::check_schedule(policy, options.schedule);
    const auto count = static_cast<std::int64_t>(tokens.size());
    if (options.schedule.prompt >= count) {
      throw Error(ErrorKind::kConfig, "a prompt of " + std::to_string(options.schedule.prompt) +
                                          " tokens leaves nothing of a text of " +
                                          std::to_string(count));
    }
    if (options.score_from < 0 || options.score_from > count - 2) {
      throw Error(ErrorKind::kConfig, "no token is scored from row " +
                                          std::to_string(options.score_from) + " of " +
                                          std::to_string(count));
    }
    check_learned_positions(config(), count, "a text of " + std::to_string(count) + " tokens");
    check_positions(count, options);
    policies::check_whole_text(policy, count);
    if (policy.traits.reads_whole_text && options.path != Path::kScan) {
      throw Error(ErrorKind::kConfig, "policy '" + policy.text +
                                          "' looks at later tokens; only the scan path can show "
                                          "them");
    }
    // One that is not of fixed size chooses without a budget too.
    if (options.path == Path::kDense && (policy.traits.takes_budget || !policy.traits.fixed_size)) {
      throw Error(ErrorKind::kConfig,
                  "the dense path knows no policy but full, found '" + policy.text + "'");
    }
    if (options.chunk_tokens < 1 || options.block_rows < 1) {
      throw Error(ErrorKind::kConfig, "chunk and block need at least 1 token");
    }
  }

  GenerateTotals generate(std::span<const GenerateRequest> requests, const GenerateOptions& options,
                          const GenerateDone& done) const override {
    if (options.lanes < 1 || options.chunk_tokens < 1 || options.block_rows < 1) {
      throw Error(ErrorKind::kConfig, "lanes, chunk and block need at least 1");
    }
    std::vector<GenerateRequest> checked(requests.begin(), requests.end());
    for (GenerateRequest& request : checked) {
      if (request.schedule.prompt == 0) {
        request.schedule.prompt = static_cast<std::int64_t>(request.prompt.size());
      }
      check_request(request, options);
    }
    GenerateOptions own = options;
    if (!shares_prefixes(options.kv_type)) own.prefixes = nullptr;
    const c10::InferenceMode no_gradients;
    return with_memory_errors(decoder_.placement().device,
                              [&] { return decode(decoder_, checked, own, step_rows_, done); });
  }

 private:
  void check_ids(std::span<const std::int64_t> tokens) const {
    for (const std::int64_t id : tokens) {
      if (id < 0 || id >= config().vocab_size) {
        throw Error(ErrorKind::kData, "token id " + std::to_string(id) +
                                          " is outside the vocabulary of " +
                                          std::to_string(config().vocab_size));
      }
    }
  }

  // Dynamic angles depend on the length: texts of two lengths share no keys. And what is shared has
  // been computed over keys and values of one type.
  bool shares_prefixes(KvType kv_type) const {
    return config().rope.kind != RopeKind::kDynamic && kv_type == KvType::kSame;
  }

  EvaluateResult scan(std::span<const std::int64_t> tokens, const policies::PolicyPlan& policy,
                      const EvaluateOptions& options) const {
    if (shares_prefixes(options.kv_type)) {
      return evaluate_scan(decoder_, tokens, policy, options);
    }
    EvaluateOptions alone = options;
    alone.prefixes = nullptr;
    return evaluate_scan(decoder_, tokens, policy, alone);
  }

  void check_positions(std::int64_t count, const EvaluateOptions& options) const {
    const bool rotary = config().positions == PositionKind::kRotary;
    if (options.positions != policies::Positions::kOriginal) {
      const std::string positions = "positions '" + to_string(options.positions) + "'";
      if (!rotary) {
        throw Error(ErrorKind::kConfig, positions + " rotate keys anew; a " +
                                            config().architecture +
                                            " model has its positions in the embeddings");
      }
      if (options.path != Path::kStep) {
        throw Error(ErrorKind::kConfig,
                    positions + " rotate every key anew at every token: they need the step path");
      }
    }
    if (rotary && options.rope_angles == RopeAngles::kHf32 && count > kLongestFloat32Angles) {
      throw Error(ErrorKind::kConfig,
                  std::to_string(count) + " tokens need rope_angles=f64 (beyond " +
                      std::to_string(kLongestFloat32Angles) + " the float32 angles drift)");
    }
  }

  void check_request(const GenerateRequest& request, const GenerateOptions& options) const {
    if (request.prompt.empty()) {
      throw Error(ErrorKind::kData, "the prompt is empty; expected at least one token");
    }
    check_ids(request.prompt);
    if (request.max_new < 1) {
      throw Error(ErrorKind::kConfig,
                  "max_new: expected at least 1, found " + std::to_string(request.max_new));
    }
    LETHE_ASSERT(request.policy != nullptr, "a request needs a policy");
    if (request.policy->traits.reads_whole_text) {
      throw Error(ErrorKind::kConfig, "policy '" + request.policy->text +
                                          "' looks at the whole text, which generation does not "
                                          "know in advance");
    }
    policies::check_budget(*request.policy, request.budget);
    policies::check_schedule(*request.policy, request.schedule);
    check_sampling(request.sampling);
    EvaluateOptions evaluate;
    evaluate.rope_angles = options.rope_angles;
    const auto prompt = static_cast<std::int64_t>(request.prompt.size());
    if (request.schedule.prompt < 0 || request.schedule.prompt > prompt) {
      throw Error(ErrorKind::kConfig, "the schedule cuts after " +
                                          std::to_string(request.schedule.prompt) +
                                          " tokens of a prompt of " + std::to_string(prompt));
    }
    if (request.min_new < 0 || request.min_new > request.max_new) {
      throw Error(ErrorKind::kConfig, "min_new: expected 0 to max_new (" +
                                          std::to_string(request.max_new) + "), found " +
                                          std::to_string(request.min_new));
    }
    const std::int64_t length = prompt + request.max_new;
    check_learned_positions(config(), length, prompt_and_new(prompt, request.max_new));
    check_positions(length, evaluate);
  }

  Decoder decoder_;
  mutable StepRows step_rows_{decoder_};  // remembers what it measured
};

const std::vector<std::string> kDTypes = {"float32", "bfloat16", "float64"};
const std::vector<std::string> kKvTypes = {"same", "float32", "bfloat16", "int8"};

}  // namespace

DType parse_dtype(std::string_view text) {
  if (text == "float32") return DType::kFloat32;
  if (text == "bfloat16") return DType::kBFloat16;
  if (text == "float64") return DType::kFloat64;
  throw unknown_name(ErrorKind::kConfig, "dtype", text, kDTypes);
}

std::string to_string(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

KvType parse_kv_type(std::string_view text) {
  const auto found = std::find(kKvTypes.begin(), kKvTypes.end(), text);
  if (found == kKvTypes.end()) throw unknown_name(ErrorKind::kConfig, "KV dtype", text, kKvTypes);
  return static_cast<KvType>(found - kKvTypes.begin());
}

std::string to_string(KvType type) {
  return kKvTypes[static_cast<std::size_t>(type)];
}

std::unique_ptr<Model> load_model(const Checkpoint& checkpoint, DType dtype,
                                  const WeightSharing& sharing, const LoadOptions& options) {
  const Placement placement = open_placement(options);
  const c10::InferenceMode no_gradients;
  return with_memory_errors(placement.device, [&] {
    return std::make_unique<DecoderModel>(checkpoint, dtype, sharing, placement);
  });
}

void set_compute_threads(int threads) {
  if (threads == 0) threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  // Activations of a chunk are tens of megabytes; given back to the kernel after every use, their
  // page faults cost several per cent of the run.
  // 32 MiB is the most that glibc takes for the first.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  at::set_num_threads(threads);
  static std::unique_ptr<tbb::global_control> limit;
  limit.reset();
  limit = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                static_cast<std::size_t>(threads));
}

int compute_threads() {
  return at::get_num_threads();
}

std::string torch_version() {
  // Newer libraries say what they are at run time: major, minor and patch in the three top bytes.
  using VersionFunction = std::uint64_t (*)();
  if (void* symbol = dlsym(RTLD_DEFAULT, "aoti_torch_abi_version")) {
    const std::uint64_t packed = reinterpret_cast<VersionFunction>(symbol)();
    return std::to_string(packed >> 56) + "." + std::to_string((packed >> 48) & 0xFF) + "." +
           std::to_string((packed >> 40) & 0xFF);
  }
  return TORCH_VERSION;
}

}  // namespace lethe::models
