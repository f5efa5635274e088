// SPDX-License-Identifier: Apache-2.0
#include "models/engine/kv_cache.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

// Copies one head's vector into its slot, converting to the KV type.
template <typename T>
void store(const at::Tensor& tensor, std::int64_t head, std::int32_t slot, const T* source) {
  const std::int64_t slots = tensor.size(1), width = tensor.size(2);
  const std::int64_t offset = (head * slots + slot) * width;
  if (tensor.scalar_type() == at::kBFloat16) {
    auto* out = tensor.mutable_data_ptr<at::BFloat16>() + offset;
    for (std::int64_t i = 0; i < width; ++i) out[i] = static_cast<float>(source[i]);
  } else {
    std::copy_n(source, width, tensor.mutable_data_ptr<T>() + offset);
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

LayerCache::LayerCache(const kernels::QkvShape& shape, policies::Scope scope, std::int64_t slots,
                       at::ScalarType kv_type, bool keep_key_norms)
    : shape_(shape),
      keep_key_norms_(keep_key_norms),
      // Zeros, not garbage: products run over free slots too, and a NaN there would spread.
      keys_(at::zeros({shape.n_kv_heads, slots, shape.head_dim}, kv_type)),
      values_(at::zeros({shape.n_kv_heads, slots, shape.head_dim}, kv_type)) {
  const std::size_t tables =
      scope == policies::Scope::kLayer ? 1 : static_cast<std::size_t>(shape.n_kv_heads);
  tables_.assign(tables, SlotTable(static_cast<std::int32_t>(slots)));
  if (keep_key_norms)
    slot_norms_.assign(tables, std::vector<double>(static_cast<std::size_t>(slots)));
  freed_by_plan_.resize(tables);
  awaiting_release_.resize(tables);
}

std::int32_t LayerCache::high_water() const {
  std::int32_t highest = 0;
  for (const auto& table : tables_) highest = std::max(highest, table.high_water());
  return highest;
}

template <typename T>
std::vector<std::int32_t> LayerCache::write(const T* qkv_row) {
  const T* key = qkv_row + shape_.n_heads * shape_.head_dim;
  const T* value = key + shape_.n_kv_heads * shape_.head_dim;
  std::vector<std::int32_t> slots(tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) slots[t] = tables_[t].take_slot();
  double norm_sum = 0;
  for (std::int64_t head = 0; head < shape_.n_kv_heads; ++head) {
    const std::size_t table = tables_.size() == 1 ? 0 : static_cast<std::size_t>(head);
    store(keys_, head, slots[table], key + head * shape_.head_dim);
    store(values_, head, slots[table], value + head * shape_.head_dim);
    if (!keep_key_norms_) continue;
    const double key_norm = norm(key + head * shape_.head_dim, shape_.head_dim);
    norm_sum += key_norm;
    slot_norms_[table][static_cast<std::size_t>(slots[table])] = key_norm;
  }
  if (keep_key_norms_ && tables_.size() == 1) {  // a layer decides by the mean over its KV heads
    slot_norms_[0][static_cast<std::size_t>(slots[0])] =
        norm_sum / static_cast<double>(shape_.n_kv_heads);
  }
  return slots;
}

template std::vector<std::int32_t> LayerCache::write<float>(const float*);
template std::vector<std::int32_t> LayerCache::write<double>(const double*);

void LayerCache::commit(std::size_t head, std::int64_t position, std::int32_t slot) {
  if (keep_key_norms_) {
    tables_[head].append_with_norm(position, slot,
                                   slot_norms_[head][static_cast<std::size_t>(slot)]);
  } else {
    tables_[head].append(position, slot);
  }
  peak_live_bytes_ = std::max(peak_live_bytes_, live_bytes());
}

const std::vector<std::vector<std::int32_t>>& LayerCache::apply(const policies::EvictionPlan& plan,
                                                                std::size_t first_index) {
  LETHE_ASSERT(plan.victims.size() == tables_.size(), "a plan needs one victim list per table");
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    freed_by_plan_[t].clear();
    const auto& victims = plan.victims[t];
    for (auto it = victims.rbegin(); it != victims.rend();
         ++it) {  // from the back: indices stay valid
      freed_by_plan_[t].push_back(tables_[t].remove(*it + first_index));
    }
    awaiting_release_[t].insert(awaiting_release_[t].end(), freed_by_plan_[t].begin(),
                                freed_by_plan_[t].end());
  }
  return freed_by_plan_;
}

void LayerCache::release_freed() {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (const std::int32_t slot : awaiting_release_[t]) tables_[t].release(slot);
    awaiting_release_[t].clear();
  }
}

void LayerCache::save(StateWriter& out, const std::string& prefix) const {
  for (const auto& slots : awaiting_release_) LETHE_ASSERT(slots.empty(), "saved inside a block");
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::string table = prefix + std::to_string(t) + ".";
    tables_[t].save(out, table);
    if (keep_key_norms_) out.put(table + "slot_norms", slot_norms_[t]);
  }
  const auto bytes = [&](const at::Tensor& tensor) {
    const at::Tensor used = tensor.narrow(1, 0, high_water()).contiguous();
    return std::string(static_cast<const char*>(used.const_data_ptr()), used.nbytes());
  };
  for (const auto& [name, tensor] : {std::pair("keys", keys_), std::pair("values", values_)}) {
    const std::string raw = bytes(tensor);
    out.put(prefix + name, std::span<const char>(raw));
  }
  out.put_value(prefix + "peak_live_bytes", peak_live_bytes_);
}

void LayerCache::load(const StateReader& in, const std::string& prefix) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::string table = prefix + std::to_string(t) + ".";
    tables_[t].load(in, table);
    if (keep_key_norms_) slot_norms_[t] = in.get<double>(table + "slot_norms");
  }
  for (const auto& [name, tensor] : {std::pair("keys", keys_), std::pair("values", values_)}) {
    const auto raw = in.get<char>(prefix + name);
    const at::Tensor used = tensor.narrow(1, 0, high_water());
    if (raw.size() != static_cast<std::size_t>(used.numel()) * used.element_size()) {
      throw Error(ErrorKind::kData, "state: " + prefix + name + " is of a cache of another shape");
    }
    at::Tensor source = at::empty(used.sizes(), used.options());
    std::copy(raw.begin(), raw.end(), static_cast<char*>(source.mutable_data_ptr()));
    used.copy_(source);
  }
  peak_live_bytes_ = in.get_value<std::int64_t>(prefix + "peak_live_bytes");
}

std::int64_t LayerCache::live_bytes() const {
  const std::int64_t heads_per_table =
      shape_.n_kv_heads / static_cast<std::int64_t>(tables_.size());
  std::int64_t live = 0;
  for (const auto& table : tables_)
    live += static_cast<std::int64_t>(table.live()) * heads_per_table;
  return live * 2 * shape_.head_dim * static_cast<std::int64_t>(keys_.element_size());
}

}  // namespace lethe::models
