// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/post_processor.h"

#include <algorithm>
#include <array>
#include <memory>

#include "models/tokenizer/component.h"

namespace lethe::models {
namespace {

using What = LayoutItem::What;

std::vector<std::int64_t> special_ids(ObjectReader& reader, const std::string& name) {
  const json::value& specials = reader.at("special_tokens");
  ObjectReader all(specials, reader.where("special_tokens"), ErrorKind::kModel);
  ObjectReader special(all.at(name), all.where(name), ErrorKind::kModel);
  std::vector<std::int64_t> ids;
  for (const json::value& id : special.array("ids")) {
    if (!id.is_int64() || id.get_int64() < 0) {
      throw Error(ErrorKind::kModel, special.where("ids") + ": expected ids, found " +
                                         json::serialize(id).substr(0, 40));
    }
    ids.push_back(id.get_int64());
  }
  return ids;
}

Layout read_layout(ObjectReader& reader, std::string_view name, bool is_pair) {
  Layout layout;
  const json::array& items = reader.array(name);
  std::size_t firsts = 0;
  std::size_t seconds = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = reader.where(name) + "[" + std::to_string(i) + "]";
    ObjectReader item(items[i], where, ErrorKind::kModel);
    LayoutItem entry;
    const bool is_special = item.has("SpecialToken");
    const std::string_view kind = is_special ? "SpecialToken" : "Sequence";
    ObjectReader content(item.at(kind), item.where(kind), ErrorKind::kModel);
    const std::string id = content.string("id");
    entry.type_id = content.integer("type_id", 0);
    if (is_special) {
      entry.what = What::kSpecial;
      entry.ids = special_ids(reader, id);
    } else if (id == "A") {
      entry.what = What::kFirst;
      ++firsts;
    } else if (id == "B" && is_pair) {
      entry.what = What::kSecond;
      ++seconds;
    } else {
      throw Error(ErrorKind::kModel, content.where("id") + ": expected \"A\"" +
                                         (is_pair ? " or \"B\"" : "") + ", found \"" + id + "\"");
    }
    content.finish();
    item.finish();
    layout.push_back(std::move(entry));
  }
  if (firsts != 1 || seconds != (is_pair ? 1U : 0U)) {
    throw Error(ErrorKind::kModel, reader.where(name) + ": expected every text once, found A " +
                                       std::to_string(firsts) + " and B " +
                                       std::to_string(seconds) + " times");
  }
  return layout;
}

std::unique_ptr<Surroundings> read_template(ObjectReader& reader) {
  auto made = std::make_unique<Surroundings>();
  made->single = read_layout(reader, "single", false);
  made->pair = read_layout(reader, "pair", true);
  reader.find("special_tokens");
  return made;
}

/// ["[SEP]", 102].
std::int64_t named_id(ObjectReader& reader, std::string_view name) {
  const json::array& pair = reader.array(name);
  if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_int64() || pair[1].get_int64() < 0) {
    throw Error(ErrorKind::kModel, reader.where(name) + ": expected [\"token\", id], found " +
                                       json::serialize(pair).substr(0, 80));
  }
  return pair[1].get_int64();
}

std::unique_ptr<Surroundings> read_bert(ObjectReader& reader) {
  const std::int64_t sep = named_id(reader, "sep");
  const std::int64_t cls = named_id(reader, "cls");
  auto made = std::make_unique<Surroundings>();
  made->single = {{What::kSpecial, {cls}, 0}, {What::kFirst, {}, 0}, {What::kSpecial, {sep}, 0}};
  made->pair = made->single;
  made->pair.push_back({What::kSecond, {}, 1});
  made->pair.push_back({What::kSpecial, {sep}, 1});
  return made;
}

std::unique_ptr<Surroundings> read_roberta(ObjectReader& reader) {
  const std::int64_t sep = named_id(reader, "sep");
  const std::int64_t cls = named_id(reader, "cls");
  for (const char* of_offsets : {"trim_offsets", "add_prefix_space"}) reader.find(of_offsets);
  auto made = std::make_unique<Surroundings>();
  made->single = {{What::kSpecial, {cls}, 0}, {What::kFirst, {}, 0}, {What::kSpecial, {sep}, 0}};
  made->pair = made->single;
  made->pair.push_back({What::kSpecial, {sep}, 0});
  made->pair.push_back({What::kSecond, {}, 0});
  made->pair.push_back({What::kSpecial, {sep}, 0});
  return made;
}

/// "ByteLevel" corrects offsets, which are not ours.
std::unique_ptr<Surroundings> read_byte_level(ObjectReader& reader) {
  for (const char* of_offsets : {"trim_offsets", "add_prefix_space", "use_regex"}) {
    reader.find(of_offsets);
  }
  return nullptr;
}

std::unique_ptr<Surroundings> make_surroundings(const json::value& value, const std::string& where);

std::unique_ptr<Surroundings> read_sequence(ObjectReader& reader) {
  auto parts = make_components<Surroundings>(reader, "processors", make_surroundings);
  if (parts.size() > 1) {
    throw Error(ErrorKind::kModel, reader.where("processors") +
                                       ": expected at most one processor that adds tokens, found " +
                                       std::to_string(parts.size()));
  }
  return parts.empty() ? nullptr : std::move(parts[0]);
}

constexpr std::array<ComponentKind<Surroundings>, 5> kKinds = {{
    {"TemplateProcessing", read_template},
    {"BertProcessing", read_bert},
    {"RobertaProcessing", read_roberta},
    {"ByteLevel", read_byte_level},
    {"Sequence", read_sequence},
}};

std::unique_ptr<Surroundings> make_surroundings(const json::value& value,
                                                const std::string& where) {
  return make_component<Surroundings>(value, where, kKinds);
}

}  // namespace

Surroundings read_surroundings(const json::value& value, const std::string& where) {
  const auto made = make_surroundings(value, where);
  return made ? *made : Surroundings();
}

Surroundings bos_eos_surroundings(std::optional<std::int64_t> bos,
                                  std::optional<std::int64_t> eos) {
  Surroundings surroundings;
  surroundings.pair.clear();
  const auto add = [&](What text, std::int64_t type_id) {
    if (bos) surroundings.pair.push_back({What::kSpecial, {*bos}, type_id});
    surroundings.pair.push_back({text, {}, type_id});
    if (eos) surroundings.pair.push_back({What::kSpecial, {*eos}, type_id});
  };
  add(What::kFirst, 0);
  surroundings.single = surroundings.pair;
  add(What::kSecond, 1);
  return surroundings;
}

Encoding lay_out(const Surroundings& surroundings, const std::vector<std::int64_t>& first,
                 const std::vector<std::int64_t>* second) {
  Encoding encoding;
  for (const LayoutItem& item : second == nullptr ? surroundings.single : surroundings.pair) {
    const auto& ids = item.what == What::kFirst    ? first
                      : item.what == What::kSecond ? *second
                                                   : item.ids;
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.type_ids.insert(encoding.type_ids.end(), ids.size(), item.type_id);
  }
  return encoding;
}

}  // namespace lethe::models
