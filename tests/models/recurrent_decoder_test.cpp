// SPDX-License-Identifier: Apache-2.0
// Decoders with recurrent memory: the plain decoder without memory, the recurrence against a loop
// of its own, masks by table, gradients by finite differences, files.
#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ATen.h>

#include "harness/base/json.h"
#include "harness/base/seed.h"
#include "models/checkpoint/safetensors.h"
#include "models/engine/evaluate.h"
#include "models/rmt/recurrent_decoder.h"
#include "models/rmt/recurrent_decoder_model.h"
#include "policies/registry.h"
#include "tests/models/file_support.h"
#include "tests/models/plain_gpt2.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

using models::RecurrentConfig;
using models::RecurrentDecoder;
using models::RecurrentDecoderLayout;
using models::RecurrentForm;
using models::RecurrentMask;

constexpr models::Precision kDouble{at::kDouble, at::kDouble};

RecurrentConfig memory_of(std::int64_t memory, std::int64_t segment,
                          RecurrentMask mask = RecurrentMask::kCausal) {
  RecurrentConfig config;
  config.form = RecurrentForm::kDecoder;
  config.memory_tokens = memory;
  config.segment_tokens = segment;
  config.mask = mask;
  return config;
}

std::vector<std::int64_t> some_ids(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<std::int64_t>(random.below(200)));
  }
  return ids;
}

at::Tensor tensor_of(const std::vector<std::int64_t>& ids, std::int64_t batch) {
  return at::tensor(ids, at::kLong).view({batch, -1});
}

/// First values of memory, those of a golden checkpoint for the rest.
at::Tensor flat_of(const RecurrentDecoderLayout& layout, const models::Checkpoint& checkpoint) {
  const at::Tensor flat = layout.initial(7);
  layout.read(checkpoint, flat, /*backbone=*/true);
  return flat;
}

/// A folder as training leaves it, of a golden model with memory.
void write_folder(const std::filesystem::path& folder, const std::string& name,
                  const RecurrentDecoderLayout& layout, const at::Tensor& flat) {
  json::object config =
      read_json_file(golden("tiny/" + name + "/config.json"), ErrorKind::kData).as_object();
  config["lethe_rmt"] = to_json(layout.recurrent());
  std::filesystem::create_directories(folder);
  write_bytes(folder / "config.json", json::serialize(config));
  write_bytes(folder / "model.safetensors", layout.safetensors(flat));
}

TEST_CASE("without memory a recurrent decoder is its backbone", "[golden]") {
  const std::string name =
      GENERATE("gpt2", "llama_gqa_tied", "llama_bias_headdim", "llama_rope_yarn", "qwen2", "qwen3",
               "phi3", "gemma2", "gpt_neox", "opt", "mistral_sw16");
  CAPTURE(name);
  const auto checkpoint = models::open_checkpoint(golden("tiny/" + name));
  const auto ids = some_ids(16, 3);
  models::EvaluateOptions options;
  options.path = models::Path::kDense;
  for (std::int64_t i = 0; i < 16; ++i) options.logit_rows.push_back(i);
  const auto model = models::load_model(*checkpoint, models::DType::kFloat64);
  const auto expected = model->evaluate(ids, policies::known_policies().resolve("full"), options);

  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(0, 16));
  const at::Tensor flat = flat_of(layout, *checkpoint).to(at::kDouble);
  const RecurrentDecoder decoder(layout, layout.bind(flat, kDouble), kDouble);
  const at::Tensor logits =
      decoder.logits(decoder.segment(tensor_of(ids, 1), decoder.initial(1)).text).squeeze(0);
  const at::Tensor nll =
      -logits.log_softmax(-1).narrow(0, 0, 15).gather(1, tensor_of(ids, 16).narrow(0, 1, 15));
  double worst = 0, worst_logit = 0;
  for (std::int64_t i = 0; i < 16; ++i) {
    const auto row = static_cast<std::size_t>(i);
    if (i < 15) worst = std::max(worst, std::abs(nll[i].item<double>() - expected.nll[row]));
    for (std::int64_t v = 0; v < 200; ++v) {
      worst_logit =
          std::max(worst_logit, std::abs(logits[i][v].item<double>() -
                                         expected.logits[row][static_cast<std::size_t>(v)]));
    }
  }
  // A flat vector is float32: it rounds Gemma's norms, 1 + w.
  CHECK(worst < (name == "gemma2" ? 1e-6 : 1e-11));
  CHECK(worst_logit < 1e-5);  // they are given as float32
}

TEST_CASE("masks say who sees whom", "[unit]") {
  const auto table = [](RecurrentMask mask) {
    const at::Tensor sees = models::recurrent_mask(mask, 2, 3, 2);
    std::string text;
    for (std::int64_t row = 0; row < 7; ++row) {
      for (std::int64_t column = 0; column < 7; ++column) {
        text += sees[row][column].item<bool>() ? 'x' : '.';
      }
      text += ' ';
    }
    return text;
  };
  CHECK(table(RecurrentMask::kCausal) ==
        "x...... xx..... xxx.... xxxx... xxxxx.. xxxxxx. xxxxxxx ");
  // arXiv 2207.06881: memory blocks see themselves whole.
  CHECK(table(RecurrentMask::kPaper) == "xx..... xx..... xxx.... xxxx... xxxxx.. xxxxxxx xxxxxxx ");
}

TEST_CASE("segments follow the recurrence, as a loop of its own computes it", "[property]") {
  const auto mask = GENERATE(RecurrentMask::kCausal, RecurrentMask::kPaper);
  constexpr std::size_t kRead = 2, kText = 4;
  const auto checkpoint = models::open_checkpoint(golden("tiny/gpt2"));
  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(kRead, kText, mask));
  const TempDir temp;
  write_folder(temp / "rmt", "gpt2", layout, flat_of(layout, *checkpoint));

  const auto written = models::open_checkpoint(temp / "rmt");
  const PlainGpt2 plain(*written);
  const auto sees = [&](std::size_t row, std::size_t column) {
    const auto block = [](std::size_t t) { return t < kRead ? 0 : t < kRead + kText ? 1 : 2; };
    const bool whole = mask == RecurrentMask::kPaper && block(row) != 1;
    return column <= row || (whole && block(row) == block(column));
  };
  const auto model = models::load_recurrent_decoder(temp / "rmt", models::DType::kFloat64);
  CHECK(model->recurrent() == layout.recurrent());
  CHECK(model->memory_bytes() == 2 * 32 * 8);
  const auto first = some_ids(12, 5), second = some_ids(12, 6);
  models::RecurrentMemory memory = model->initial(2);
  std::array<Rows, 2> carried{plain.matrix("rmt.memory.weight"), plain.matrix("rmt.memory.weight")};
  for (std::size_t s = 0; s < 3; ++s) {
    std::vector<std::int64_t> ids;
    for (const auto& text : {first, second}) {
      ids.insert(ids.end(), text.begin() + static_cast<std::ptrdiff_t>(s * kText),
                 text.begin() + static_cast<std::ptrdiff_t>((s + 1) * kText));
    }
    const auto scores = model->scores(ids, memory);
    double worst = 0;
    for (std::size_t sample = 0; sample < 2; ++sample) {
      Rows inputs = carried[sample];
      for (std::size_t t = 0; t < kText; ++t) {
        inputs.push_back(plain.embedding(ids[sample * kText + t]));
      }
      inputs.insert(inputs.end(), carried[sample].begin(), carried[sample].end());
      const Rows hidden = plain.hidden(inputs, sees);
      carried[sample].assign(hidden.end() - kRead, hidden.end());
      for (std::size_t t = 0; t < kText; ++t) {
        const auto expected = plain.logits(hidden[kRead + t]);
        for (std::size_t v = 0; v < 200; ++v) {
          worst = std::max(worst, std::abs(expected[v] - scores[((sample * kText) + t) * 200 + v]));
        }
      }
      for (std::size_t m = 0; m < kRead; ++m) {
        for (std::size_t i = 0; i < 32; ++i) {
          worst = std::max(worst, std::abs(carried[sample][m][i] -
                                           memory.values[(sample * kRead + m) * 32 + i]));
        }
      }
    }
    CAPTURE(s);
    CHECK(worst < 1e-10);
  }
  // What the last segment says depends on the first: the memory carries it.
  models::RecurrentMemory other = model->initial(1), same = model->initial(1);
  model->read(std::span(first).first(kText), other);
  model->read(std::span(second).first(kText), same);
  CHECK(other.values != same.values);
}

TEST_CASE("the text does not depend on the write memory", "[property]") {
  const auto mask = GENERATE(RecurrentMask::kCausal, RecurrentMask::kPaper);
  const auto checkpoint = models::open_checkpoint(golden("tiny/llama_gqa_tied"));
  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(3, 5, mask));
  const at::Tensor flat = flat_of(layout, *checkpoint).to(at::kDouble);
  const RecurrentDecoder decoder(layout, layout.bind(flat, kDouble), kDouble);
  const at::Tensor ids = tensor_of(some_ids(10, 9), 2), memory = decoder.initial(2);
  const auto with = decoder.segment(ids, memory), without = decoder.segment(ids, memory, false);
  CHECK((with.text - without.text).abs().max().item<double>() < 1e-12);
  CHECK(without.memory.size(1) == 0);
}

TEST_CASE("gradients through three segments are those of finite differences", "[property]") {
  const std::string name = GENERATE("gpt2", "llama_gqa_tied", "gemma2", "qwen3", "gpt_neox");
  const auto mask = GENERATE(RecurrentMask::kCausal, RecurrentMask::kPaper);
  CAPTURE(name, static_cast<int>(mask));
  const auto checkpoint = models::open_checkpoint(golden("tiny/" + name));
  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(2, 4, mask));
  const at::Tensor start = flat_of(layout, *checkpoint).to(at::kDouble);
  const at::Tensor ids = tensor_of(some_ids(24, 11), 2);
  const auto loss_of = [&](const at::Tensor& flat) {
    const RecurrentDecoder decoder(layout, layout.bind(flat, kDouble), kDouble);
    at::Tensor memory = decoder.initial(2), text;
    for (std::int64_t s = 0; s < 3; ++s) {
      const auto segment = decoder.segment(ids.narrow(1, 4 * s, 4), memory, s < 2);
      memory = segment.memory;
      text = segment.text;
    }
    // Of the last segment alone: all that the first ones get comes through the memory.
    const at::Tensor logits = decoder.logits(text.narrow(1, 0, 3)).reshape({6, 200});
    return at::cross_entropy_loss(logits, ids.narrow(1, 9, 3).reshape({6}));
  };
  at::Tensor leaf = start.clone().set_requires_grad(true);
  loss_of(leaf).backward();
  const at::Tensor gradient = leaf.grad();
  RandomStream random(13);
  std::vector<std::int64_t> places;
  for (int i = 0; i < 24; ++i) {
    places.push_back(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(layout.size()))));
  }
  // The memory's own: they stand last.
  for (std::int64_t i = 1; i <= 64; i += 9) places.push_back(layout.size() - i);
  double worst = 0, largest = 0;
  for (const std::int64_t place : places) {
    // Of fourth order: norms of small embeddings bend sharply.
    constexpr double kStep = 3e-6;
    const auto moved = [&](double steps) {
      at::Tensor flat = start.clone();
      flat[place] += steps * kStep;
      return loss_of(flat).item<double>();
    };
    const double expected = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * kStep);
    worst = std::max(worst, std::abs(expected - gradient[place].item<double>()));
    largest = std::max(largest, std::abs(expected));
  }
  CHECK(largest > 1e-4);
  CHECK(worst < 5e-9 * std::max(1.0, largest));
  CHECK(gradient.narrow(0, layout.size() - 64, 64).abs().max().item<double>() > 1e-7);
}

TEST_CASE("files have the tensors of the family as it stores them", "[property]") {
  const std::string name =
      GENERATE("gpt2", "llama_bias_headdim", "gemma2", "gpt_neox", "opt", "phi3", "qwen3");
  CAPTURE(name);
  const auto checkpoint = models::open_checkpoint(golden("tiny/" + name));
  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(2, 4));
  const at::Tensor flat = flat_of(layout, *checkpoint);
  const TempDir temp;
  write_folder(temp / "rmt", name, layout, flat);
  const auto written = models::open_checkpoint(temp / "rmt");
  const auto values = [](const models::Checkpoint& from, const std::string& tensor) {
    std::vector<float> out(static_cast<std::size_t>(from.info(tensor).elements()));
    from.read(tensor, out);
    return out;
  };
  for (const auto& info : written->tensors()) {
    if (info.name == "rmt.memory.weight") continue;
    CAPTURE(info.name);
    REQUIRE(checkpoint->has(info.name));
    CHECK(checkpoint->info(info.name).shape == info.shape);
    const auto expected = values(*checkpoint, info.name), found = values(*written, info.name);
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(expected[i]) - found[i]));
    }
    // 1 + w in float32 rounds Gemma's norms.
    CHECK(worst <= (name == "gemma2" ? 1e-7 : 0.0));
  }
  at::Tensor back = at::zeros({layout.size()});
  layout.read(*written, back, /*backbone=*/false);
  CHECK((back - flat).abs().max().item<double>() <= (name == "gemma2" ? 2e-7 : 0.0));
}

TEST_CASE("a decoder begins with memory as wide as its word embeddings", "[unit]") {
  const auto checkpoint = models::open_checkpoint(golden("tiny/gpt2"));
  const RecurrentDecoderLayout causal(checkpoint->config(), memory_of(40, 4)),
      paper(checkpoint->config(), memory_of(40, 4, RecurrentMask::kPaper));
  const at::Tensor flat = flat_of(causal, *checkpoint);
  const auto bound = causal.bind(flat, {at::kFloat, at::kFloat});
  const double wanted = bound.decoder.embedding.std().item<double>();
  CHECK(bound.memory.std().item<double>() == Approx(wanted).epsilon(0.1));
  const at::Tensor copied = paper.bind(paper.initial(1), {at::kFloat, at::kFloat}).memory;
  CHECK((copied - copied[0]).abs().max().item<double>() == 0.0);
  const at::Tensor drawn = causal.bind(causal.initial(1), {at::kFloat, at::kFloat}).memory;
  CHECK((drawn - drawn[0]).abs().max().item<double>() > 1.0);
}

TEST_CASE("bfloat16 stays near float32", "[property]") {
  const auto checkpoint = models::open_checkpoint(golden("tiny/gpt2"));
  const RecurrentDecoderLayout layout(checkpoint->config(), memory_of(2, 6));
  const TempDir temp;
  write_folder(temp / "rmt", "gpt2", layout, flat_of(layout, *checkpoint));
  const auto ids = some_ids(6, 21);
  const auto scores = [&](models::DType dtype) {
    const auto model = models::load_recurrent_decoder(temp / "rmt", dtype);
    auto memory = model->initial(1);
    model->read(ids, memory);
    return model->scores(ids, memory);
  };
  const auto full = scores(models::DType::kFloat32), rounded = scores(models::DType::kBFloat16);
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    worst = std::max(worst, std::abs(full[i] - rounded[i]));
    largest = std::max(largest, std::abs(full[i]));
  }
  CAPTURE(worst, largest);
  CHECK(worst > 0);
  CHECK(worst < 4e-2 * largest);
}

TEST_CASE("what is no recurrent decoder is refused in words", "[fault]") {
  const auto gpt2 = models::open_checkpoint(golden("tiny/gpt2"));
  CHECK_THAT(error_of(ErrorKind::kConfig,
                      [&] { RecurrentDecoderLayout(gpt2->config(), memory_of(60, 10)); }),
             Catch::Contains("130 in all"));
  const auto mistral = models::open_checkpoint(golden("tiny/mistral_sw16"));
  CHECK_THAT(error_of(ErrorKind::kConfig,
                      [&] { RecurrentDecoderLayout(mistral->config(), memory_of(4, 10)); }),
             Catch::Contains("window of 16"));
  const auto bert = models::open_checkpoint(golden("tiny/bert"));
  error_of(ErrorKind::kModel, [&] { RecurrentDecoderLayout(bert->config(), memory_of(1, 4)); });

  const auto load = [](const std::filesystem::path& folder) {
    return error_of(ErrorKind::kModel,
                    [&] { models::load_recurrent_decoder(folder, models::DType::kFloat32); });
  };
  CHECK_THAT(load(golden("tiny/gpt2")), Catch::Contains("found a model without"));
  const RecurrentDecoderLayout layout(gpt2->config(), memory_of(2, 6)),
      none(gpt2->config(), memory_of(0, 6));
  const TempDir temp;
  write_folder(temp / "rmt", "gpt2", layout, flat_of(layout, *gpt2));
  CHECK_THAT(error_of(ErrorKind::kModel,
                      [&] { models::load_recurrent_model(temp / "rmt", models::DType::kFloat32); }),
             Catch::Contains("expected an encoder"));
  write_bytes(temp / "rmt" / "model.safetensors", none.safetensors(flat_of(none, *gpt2)));
  CHECK_THAT(load(temp / "rmt"), Catch::Contains("rmt.memory.weight"));
  std::string config = bytes_of(temp / "rmt" / "config.json");
  replace_once(config, "\"mask\":\"causal\"", "\"mask\":\"casual\"");
  write_bytes(temp / "rmt" / "config.json", config);
  CHECK_THAT(load(temp / "rmt"), Catch::Contains("did you mean 'causal'?"));
  write_folder(temp / "whole", "gpt2", layout, flat_of(layout, *gpt2));
  const auto model = models::load_recurrent_decoder(temp / "whole", models::DType::kFloat32);
  auto memory = model->initial(1);
  const auto data_error = [&](const std::vector<std::int64_t>& ids) {
    return error_of(ErrorKind::kData, [&] { model->read(ids, memory); });
  };
  CHECK_THAT(data_error({1, 2, 3, 4, 5, 6, 7}), Catch::Contains("at most 6 text tokens"));
  CHECK_THAT(data_error({200}), Catch::Contains("0 to 199, found 200"));
}

}  // namespace
}  // namespace lethe::test
