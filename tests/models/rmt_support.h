// SPDX-License-Identifier: Apache-2.0
// Folders of small random encoders with recurrent memory, and what they compute in plain double
// arithmetic: no LibTorch, every sum a loop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace lethe::test {

/// A checkpoint to be written. The defaults: BERT as published, three heads of eight.
struct RmtShape {
  std::int64_t vocabulary = 40, hidden = 24, heads = 3, layers = 2, intermediate = 40,
               positions = 48, token_types = 2;
  std::int64_t relative_clip = 0;
  bool norm_before = false;
  std::string prefix = "bert.";  ///< of the encoder's tensors
  std::int64_t memory = 3, segment = 8;
  bool recurrent = true;  ///< config.json says lethe_rmt; memory and classifier are there
};

struct RandomTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
/// Every tensor of the shape's model.safetensors, of random values (norms around 1).
std::map<std::string, RandomTensor> random_tensors(const RmtShape& shape, std::uint64_t seed);

/// Writes config.json and model.safetensors into `folder`; `change` may alter the tensors first.
void write_rmt_folder(
    const std::filesystem::path& folder, const RmtShape& shape, std::uint64_t seed,
    const std::function<void(std::map<std::string, RandomTensor>&)>& change = nullptr);

/// An encoder with recurrent memory (arXiv 2304.11062, section 2) over BERT (arXiv 1810.04805),
/// read from a folder and computed in doubles.
class PlainRmt {
 public:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;

  explicit PlainRmt(const std::filesystem::path& folder);
  /// The memory before the first segment.
  const Rows& initial() const { return memory_; }
  /// Last hidden states of [CLS] memory [SEP] text [SEP]; of [CLS] text [SEP] without memory.
  Rows hidden_states(std::span<const std::int64_t> text, const Rows& memory) const;
  /// Rows of the memory among those of hidden_states().
  Rows next_memory(const Rows& hidden) const;
  /// Class scores of the hidden state of [CLS].
  Row logits(const Row& cls) const;

 private:
  struct Linear {
    Rows weight;  ///< [out][in]
    Row bias;
  };
  struct Scaling {
    Row weight, bias;
  };
  struct Layer {
    Linear query, key, value, out, up, down;
    Scaling attention_norm, mlp_norm;
    Rows relative_bias;  ///< [heads][2 clip + 1]; empty: none
  };

  Row applied(const Linear& linear, const Row& x) const;
  Row normed(const Scaling& norm, const Row& x) const;
  Rows attended(const Layer& layer, const Rows& seen) const;
  Row mlp(const Layer& layer, const Row& x) const;
  Rows run(const Layer& layer, const Rows& hidden) const;

  std::size_t heads_ = 0;
  std::int64_t clip_ = 0, cls_ = 0, sep_ = 0;
  double eps_ = 0;
  bool norm_before_ = false;
  Rows words_, positions_, types_, memory_;
  Scaling embedding_norm_, final_norm_;
  std::vector<Layer> layers_;
  Linear pooler_, head_;
};

}  // namespace lethe::test
