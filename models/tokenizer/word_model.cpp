// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/word_model.h"

#include <array>

#include "models/tokenizer/byte_token.h"
#include "models/tokenizer/component.h"

namespace lethe::models {

std::vector<std::string> read_vocabulary(ObjectReader& reader) {
  constexpr std::int64_t kMostIds = std::int64_t{1} << 24;
  const json::value& value = reader.at("vocab");
  const std::string where = reader.where("vocab");
  if (!value.is_object()) {
    throw Error(ErrorKind::kModel, where + ": expected an object {\"token\": id}, found " +
                                       std::string(describe_type(value)));
  }
  const auto fail = [&](std::string_view token, const std::string& what) {
    throw Error(ErrorKind::kModel, where + ": token '" + std::string(token) + "': " + what);
  };
  std::vector<std::string> tokens;
  std::vector<bool> taken;
  tokens.reserve(value.get_object().size());
  for (const auto& [token, id] : value.get_object()) {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= kMostIds) {
      fail(token, "expected an id from 0 to 2^24 - 1, found " + json::serialize(id).substr(0, 40));
    }
    const auto index = static_cast<std::size_t>(id.get_int64());
    if (index >= tokens.size()) {
      tokens.resize(index + 1);
      taken.resize(index + 1);
    }
    if (taken[index]) {
      fail(token, "expected every id once, found " + std::to_string(index) + " for '" +
                      tokens[index] + "' too");
    }
    if (token.empty()) fail(token, "expected a text, found an empty one");
    taken[index] = true;
    tokens[index] = std::string(token);
  }
  if (tokens.empty()) throw Error(ErrorKind::kModel, where + ": expected tokens, found none");
  return tokens;
}

TokenIds ids_by_text(const std::vector<std::string>& tokens) {
  TokenIds ids;
  ids.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) ids.emplace(tokens[i], static_cast<std::int32_t>(i));
  }
  return ids;
}

std::vector<std::int32_t> byte_token_ids(const TokenIds& ids) {
  std::vector<std::int32_t> of_byte(256, -1);
  for (std::size_t byte = 0; byte < of_byte.size(); ++byte) {
    const auto found = ids.find(byte_token(static_cast<unsigned char>(byte)));
    if (found != ids.end()) of_byte[byte] = found->second;
  }
  return of_byte;
}

std::unique_ptr<WordModel> make_word_model(const json::value& value, const std::string& where) {
  constexpr std::array<ComponentKind<WordModel>, 3> kKinds = {{
      {"BPE", make_bpe_model},
      {"WordPiece", make_wordpiece_model},
      {"Unigram", make_unigram_model},
  }};
  // Files of tokenizers before 0.8 do not name the type; their members are those of BPE.
  if (value.is_object() && value.get_object().if_contains("type") == nullptr &&
      value.get_object().if_contains("merges") != nullptr) {
    ObjectReader reader(value, where, ErrorKind::kModel);
    auto model = make_bpe_model(reader);
    reader.finish();
    return model;
  }
  auto model = make_component<WordModel>(value, where, kKinds);
  if (!model) throw Error(ErrorKind::kModel, where + ": expected a model, found null");
  return model;
}

}  // namespace lethe::models
