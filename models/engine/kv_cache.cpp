// SPDX-License-Identifier: Apache-2.0
#include "models/engine/kv_cache.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/transformer/lanes.h"

namespace lethe::models {
namespace {

constexpr std::int64_t kFirstSlots = 256;
// A larger table that is used to less than a quarter is made smaller: a prompt of thousands of
// tokens that is cut to a small budget must not be carried, saved and multiplied to the end.
constexpr std::int32_t kCompactAbove = 1024;

// Copies one head's vector, its elements `stride` apart, converting to the KV type.
template <typename T>
void store(const at::Tensor& tensor, std::int64_t offset, std::int64_t stride, std::int64_t width,
           const T* source) {
  const auto copy = [&](auto* out) {
    for (std::int64_t i = 0; i < width; ++i) {
      out[offset + i * stride] = static_cast<std::remove_pointer_t<decltype(out)>>(source[i]);
    }
  };
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return copy(tensor.mutable_data_ptr<at::BFloat16>());
    case at::kFloat:
      return copy(tensor.mutable_data_ptr<float>());
    default:
      return copy(tensor.mutable_data_ptr<double>());
  }
}

constexpr float kLargestInt8 = 127;

// The same to int8; what the numbers are multiples of goes to `scale`. Both backends round the same
// way: float32, to the nearest, ties to even.
template <typename T>
void store_int8(const at::Tensor& tensor, std::int64_t offset, std::int64_t stride,
                std::int64_t width, const T* source, float& scale) {
  float largest = 0;
  for (std::int64_t i = 0; i < width; ++i) {
    const float magnitude = std::abs(static_cast<float>(source[i]));
    largest = magnitude > largest || std::isnan(magnitude) ? magnitude : largest;
  }
  // An activation that is no number must show, as it does in every other type: the vector becomes
  // NaN.
  const bool finite = std::isfinite(largest);
  scale = finite ? largest / kLargestInt8 : std::numeric_limits<float>::quiet_NaN();
  const float per_unit = finite && scale > 0 ? 1 / scale : 0;
  auto* out = tensor.mutable_data_ptr<std::int8_t>();
  for (std::int64_t i = 0; i < width; ++i) {
    out[offset + i * stride] =
        finite ? static_cast<std::int8_t>(std::nearbyint(static_cast<float>(source[i]) * per_unit))
               : std::int8_t{1};
  }
}

template <typename T>
double norm(const T* key, std::int64_t width) {
  double sum = 0;
  for (std::int64_t i = 0; i < width; ++i)
    sum += static_cast<double>(key[i]) * static_cast<double>(key[i]);
  return std::sqrt(sum);
}

}  // namespace

at::Tensor slot_index(std::span<const std::int32_t> slots, at::Device device) {
  return at::tensor(at::ArrayRef<std::int32_t>(slots.data(), slots.size()), at::kInt).to(device);
}

LayerCache::LayerCache(const kernels::QkvShape& shape, policies::Scope scope,
                       std::int64_t most_slots, at::ScalarType kv_type, bool keep_key_norms,
                       const Placement& placement)
    : shape_(shape),
      heads_per_table_(scope == policies::Scope::kLayer ? shape.n_kv_heads : 1),
      most_slots_(lanes::round_up(most_slots)),
      kv_(at::TensorOptions(kv_type).device(placement.device)),
      backend_(placement.backend),
      keep_key_norms_(keep_key_norms) {
  const auto tables = static_cast<std::size_t>(shape.n_kv_heads / heads_per_table_);
  tables_.assign(tables, SlotTable(0));
  storage_.resize(tables);
  slot_norms_.resize(tables);
  freed_by_plan_.resize(tables);
  awaiting_release_.resize(tables);
  for (std::size_t t = 0; t < tables; ++t) reserve(t, std::min(kFirstSlots, most_slots_));
}

std::span<const LayerCache::Part> LayerCache::parts() const {
  static constexpr std::array<Part, 4> kParts = {{{"keys", &Storage::keys, 2},
                                                  {"values", &Storage::values, 1},
                                                  {"key_scales", &Storage::key_scales, 1},
                                                  {"value_scales", &Storage::value_scales, 1}}};
  return std::span(kParts).first(kv_.dtype() == at::kChar ? 4 : 2);
}

// Zeros, not garbage: products run over free slots too, and a NaN there would spread.
LayerCache::Storage LayerCache::make_storage(std::int64_t slots) const {
  Storage storage{at::zeros({heads_per_table_, shape_.head_dim, slots}, kv_),
                  at::zeros({heads_per_table_, slots, shape_.head_dim}, kv_),
                  {},
                  {}};
  if (kv_.dtype() == at::kChar) {
    storage.key_scales = at::zeros({heads_per_table_, slots}, kv_.dtype(at::kFloat));
    storage.value_scales = at::zeros_like(storage.key_scales);
  }
  return storage;
}

void LayerCache::reserve(std::size_t table, std::int64_t slots) {
  Storage larger = make_storage(slots);
  Storage& present = storage_[table];
  for (const Part& part : parts()) {
    const at::Tensor& held = present.*part.tensor;
    if (!held.defined()) continue;
    (larger.*part.tensor).narrow(part.slot_dim, 0, held.size(part.slot_dim)).copy_(held);
  }
  present = std::move(larger);
  if (keep_key_norms_) slot_norms_[table].resize(static_cast<std::size_t>(slots));
  tables_[table].grow(static_cast<std::int32_t>(slots));
}

// The live tokens become the first slots, in order of position.
void LayerCache::compact(std::size_t table, std::int64_t slots) {
  const auto order = tables_[table].order();
  const at::Tensor index = slot_index(order, kv_.device());
  const auto live = static_cast<std::int64_t>(order.size());
  Storage smaller = make_storage(slots);
  for (const Part& part : parts()) {
    (smaller.*part.tensor)
        .narrow(part.slot_dim, 0, live)
        .copy_((storage_[table].*part.tensor).index_select(part.slot_dim, index));
  }
  storage_[table] = std::move(smaller);
  if (keep_key_norms_) {
    std::vector<double> norms(static_cast<std::size_t>(slots));
    std::transform(order.begin(), order.end(), norms.begin(), [&](std::int32_t slot) {
      return slot_norms_[table][static_cast<std::size_t>(slot)];
    });
    slot_norms_[table] = std::move(norms);
  }
  tables_[table].renumber(static_cast<std::int32_t>(slots));
}

at::Tensor LayerCache::keys_as(std::size_t t, std::int64_t columns, at::ScalarType type) const {
  const at::Tensor keys = storage_[t].keys.narrow(2, 0, columns).to(type);
  if (kv_.dtype() != at::kChar) return keys;
  return keys * storage_[t].key_scales.narrow(1, 0, columns).to(type).unsqueeze(1);
}

at::Tensor LayerCache::values_as(std::size_t t, std::int64_t columns, at::ScalarType type) const {
  const at::Tensor values = storage_[t].values.narrow(1, 0, columns).to(type);
  if (kv_.dtype() != at::kChar) return values;
  return values * storage_[t].value_scales.narrow(1, 0, columns).to(type).unsqueeze(2);
}

std::int32_t LayerCache::take_slot(std::size_t table) {
  if (tables_[table].full()) {
    const std::int64_t present = tables_[table].slots();
    LETHE_ASSERT(present < most_slots_, "a table outgrows what its schedule can keep");
    reserve(table, std::min(lanes::round_up(present + present / 2), most_slots_));
  }
  return tables_[table].take_slot();
}

void LayerCache::write(const at::Tensor& qkv, std::span<std::int32_t> slots) {
  const std::size_t tables = tables_.size();
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = take_slot(i % tables);
  if (backend_ == Backend::kTensor) return write_rows(qkv, slots);
  const auto each_row = [&](const auto* data) {
    for (std::size_t r = 0; r * tables < slots.size(); ++r) {
      write_row(data + static_cast<std::int64_t>(r) * shape_.row(),
                slots.subspan(r * tables, tables));
    }
  };
  if (qkv.scalar_type() == at::kDouble) {
    each_row(qkv.const_data_ptr<double>());
  } else {
    each_row(qkv.const_data_ptr<float>());
  }
}

template <typename T>
void LayerCache::write_row(const T* qkv_row, std::span<const std::int32_t> slots) {
  const T* key = qkv_row + shape_.n_heads * shape_.head_dim;
  const T* value = key + shape_.n_kv_heads * shape_.head_dim;
  const std::int64_t width = shape_.head_dim;
  const bool scaled = kv_.dtype() == at::kChar;
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::int64_t slot = slots[t];
    double norm_sum = 0;
    const std::int64_t stride = tables_[t].slots();
    const Storage& storage = storage_[t];
    for (std::int64_t h = 0; h < heads_per_table_; ++h) {
      const std::int64_t vector = h * stride + slot;
      if (scaled) {
        store_int8(storage.keys, h * width * stride + slot, stride, width, key,
                   storage.key_scales.mutable_data_ptr<float>()[vector]);
        store_int8(storage.values, vector * width, 1, width, value,
                   storage.value_scales.mutable_data_ptr<float>()[vector]);
      } else {
        store(storage.keys, h * width * stride + slot, stride, width, key);
        store(storage.values, vector * width, 1, width, value);
      }
      if (keep_key_norms_) norm_sum += norm(key, width);
      key += width;
      value += width;
    }
    // A layer decides by the mean over its KV heads.
    if (keep_key_norms_) {
      slot_norms_[t][static_cast<std::size_t>(slot)] =
          norm_sum / static_cast<double>(heads_per_table_);
    }
  }
}

// The same as tensor operations: one copy per table, however many rows.
void LayerCache::write_rows(const at::Tensor& qkv, std::span<const std::int32_t> slots) {
  const auto tables = static_cast<std::int64_t>(tables_.size());
  const at::Tensor heads = qkv.view({qkv.size(0), -1, shape_.head_dim});
  const at::Tensor keys = heads.narrow(1, shape_.n_heads, shape_.n_kv_heads);
  const at::Tensor values = heads.narrow(1, shape_.n_heads + shape_.n_kv_heads, shape_.n_kv_heads);
  const at::Tensor index = slot_index(slots, qkv.device()).to(at::kLong).view({-1, tables}).t();
  const auto kv_type = kv_.dtype().toScalarType();
  for (std::int64_t t = 0; t < tables; ++t) {
    const Storage& storage = storage_[static_cast<std::size_t>(t)];
    // [rows, heads, head_dim] in the KV type; scales go to their slots.
    const auto of_table = [&](const at::Tensor& all, const at::Tensor& scales) {
      const at::Tensor own = all.narrow(1, t * heads_per_table_, heads_per_table_);
      if (!scales.defined()) return own.to(kv_type);
      const at::Tensor floats = own.to(at::kFloat);
      at::Tensor scale = floats.abs().amax(-1).div(kLargestInt8);  // [rows, heads]
      const at::Tensor broken = scale.isfinite().logical_not();
      scale.masked_fill_(broken, std::numeric_limits<double>::quiet_NaN());
      scales.index_copy_(1, index[t], scale.t());
      return floats.mul(scale.reciprocal().masked_fill(scale == 0, 0).unsqueeze(-1))
          .round()
          .masked_fill(broken.unsqueeze(-1), 1)
          .to(kv_type);
    };
    storage.keys.index_copy_(2, index[t], of_table(keys, storage.key_scales).permute({1, 2, 0}));
    storage.values.index_copy_(1, index[t], of_table(values, storage.value_scales).transpose(0, 1));
  }
  if (keep_key_norms_) keep_norms(keys, slots);
}

void LayerCache::keep_norms(const at::Tensor& keys, std::span<const std::int32_t> slots) {
  const at::Tensor norms = keys.to(at::kDouble)
                               .square()
                               .sum(-1)
                               .sqrt()
                               .view({-1, heads_per_table_})
                               .mean(-1)
                               .cpu();  // [rows * tables]
  const double* norm_of = norms.const_data_ptr<double>();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slot_norms_[i % tables_.size()][static_cast<std::size_t>(slots[i])] = norm_of[i];
  }
}

void LayerCache::commit(std::int64_t position, std::span<const std::int32_t> slots) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (keep_key_norms_) {
      tables_[t].append_with_norm(position, slots[t],
                                  slot_norms_[t][static_cast<std::size_t>(slots[t])]);
    } else {
      tables_[t].append(position, slots[t]);
    }
  }
  peak_live_bytes_ = std::max(peak_live_bytes_, live_bytes());
}

const std::vector<std::vector<std::int32_t>>& LayerCache::apply(
    const policies::EvictionPlan& plan, std::span<const std::size_t> first_index) {
  LETHE_ASSERT(plan.victims.size() == tables_.size(), "a plan needs one victim list per table");
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    freed_by_plan_[t].clear();
    tables_[t].remove(plan.victims[t], first_index[t], freed_by_plan_[t]);
    awaiting_release_[t].insert(awaiting_release_[t].end(), freed_by_plan_[t].begin(),
                                freed_by_plan_[t].end());
  }
  return freed_by_plan_;
}

void LayerCache::release_freed() {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (const std::int32_t slot : awaiting_release_[t]) tables_[t].release(slot);
    const bool freed = !awaiting_release_[t].empty();
    awaiting_release_[t].clear();
    const auto live = static_cast<std::int64_t>(tables_[t].live());
    if (freed && tables_[t].slots() > kCompactAbove && live < tables_[t].slots() / 4) {
      compact(t, std::max(kFirstSlots, lanes::round_up(2 * live)));
    }
  }
}

void LayerCache::save(StateWriter& out, const std::string& prefix) const {
  for (const auto& slots : awaiting_release_) LETHE_ASSERT(slots.empty(), "saved inside a block");
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::string table = prefix + std::to_string(t) + ".";
    tables_[t].save(out, table);
    if (keep_key_norms_) out.put(table + "slot_norms", slot_norms_[t]);
    const std::int64_t used = tables_[t].high_water();
    for (const Part& part : parts()) {
      const at::Tensor tensor =
          (storage_[t].*part.tensor).narrow(part.slot_dim, 0, used).cpu().contiguous();
      out.put(table + part.name, std::span(static_cast<const char*>(tensor.const_data_ptr()),
                                           static_cast<std::size_t>(tensor.nbytes())));
    }
  }
  out.put_value(prefix + "peak_live_bytes", peak_live_bytes_);
}

void LayerCache::load(const StateReader& in, const std::string& prefix) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::string table = prefix + std::to_string(t) + ".";
    SlotTable loaded(0);
    loaded.load(in, table);
    if (loaded.slots() > most_slots_) {
      throw Error(ErrorKind::kData, "state: " + table + " is of a larger cache");
    }
    if (loaded.slots() > tables_[t].slots()) reserve(t, loaded.slots());
    loaded.grow(tables_[t].slots());
    tables_[t] = std::move(loaded);
    if (keep_key_norms_) {
      slot_norms_[t] = in.get<double>(table + "slot_norms");
      slot_norms_[t].resize(static_cast<std::size_t>(tables_[t].slots()));
    }
    const std::int64_t used = tables_[t].high_water();
    for (const Part& part : parts()) {
      const at::Tensor tensor = (storage_[t].*part.tensor).narrow(part.slot_dim, 0, used);
      const auto raw = in.get<char>(table + part.name);
      if (raw.size() != static_cast<std::size_t>(tensor.numel()) * tensor.element_size()) {
        throw Error(ErrorKind::kData,
                    "state: " + table + part.name + " is of a cache of another shape");
      }
      at::Tensor source = at::empty(tensor.sizes(), tensor.scalar_type());
      std::copy(raw.begin(), raw.end(), static_cast<char*>(source.mutable_data_ptr()));
      tensor.copy_(source);
    }
  }
  peak_live_bytes_ = in.get_value<std::int64_t>(prefix + "peak_live_bytes");
}

// Of as many pairs of a key and a value, in every head of a table.
std::int64_t LayerCache::bytes_of(std::int64_t tokens) const {
  std::int64_t vector = shape_.head_dim * static_cast<std::int64_t>(kv_.dtype().itemsize());
  if (kv_.dtype() == at::kChar) vector += static_cast<std::int64_t>(sizeof(float));
  return tokens * heads_per_table_ * 2 * vector;
}

std::int64_t LayerCache::live_bytes() const {
  std::int64_t live = 0;
  for (const auto& table : tables_) live += static_cast<std::int64_t>(table.live());
  return bytes_of(live);
}

std::int64_t LayerCache::state_bytes() const {
  std::int64_t used = 0;
  for (const auto& table : tables_) used += table.high_water();
  return bytes_of(used);
}

std::int64_t LayerCache::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& storage : storage_) {
    for (const Part& part : parts()) {
      bytes += static_cast<std::int64_t>((storage.*part.tensor).nbytes());
    }
  }
  return bytes;
}

}  // namespace lethe::models
