// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a template.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizer/jinja_value.h"

namespace lethe::models::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

/// One expression.
struct Node {
  enum class Kind {
    kConstant,     ///< constant
    kName,         ///< name
    kList,         ///< children
    kTuple,        ///< children
    kDict,         ///< children: key, value, key, value, …
    kAttribute,    ///< children[0].name
    kItem,         ///< children[0][children[1]]
    kSlice,        ///< children[0][children[1]:children[2]:children[3]], absent ones null
    kCall,         ///< children[0](children[1], …, keywords)
    kFilter,       ///< children[0] | name(children[1], …, keywords)
    kTest,         ///< children[0] is name(children[1], …, keywords)
    kNegate,       ///< -children[0]
    kPlus,         ///< +children[0]
    kNot,          ///< not children[0]
    kAnd,          ///< children[0] and children[1]
    kOr,           ///< children[0] or children[1]
    kConditional,  ///< children[0] if children[1] else children[2], which may be null
    kConcat,       ///< children[0] ~ children[1] ~ …
    kBinary,       ///< children[0] operators[0] children[1]
    kCompare       ///< children[0] operators[0] children[1] operators[1] children[2] …
  };
  Kind kind;
  std::size_t offset;  ///< into the source
  int height = 1;      ///< of the tree below, itself included
  std::string name;
  Value constant;
  std::vector<NodePtr> children;
  std::vector<std::pair<std::string, NodePtr>> keywords;
  std::vector<std::string> operators;
};

/// What a loop or a `set` assigns to: one name, several (unpacked), or an attribute of a namespace.
struct Target {
  std::size_t offset;
  std::vector<std::string> names;
  bool unpack = false;
  std::string attribute;  ///< of the namespace names[0]; empty: the name itself
};

struct Statement;
using Body = std::vector<Statement>;

struct Branch {
  NodePtr condition;
  Body body;
};

struct Parameter {
  std::string name;
  NodePtr fallback;  ///< null: none
};

struct Statement {
  enum class Kind {
    kText,        ///< text
    kOutput,      ///< value
    kIf,          ///< branches, otherwise
    kFor,         ///< target in value if condition: body, else otherwise
    kSet,         ///< target = value
    kSetBlock,    ///< target = body, through the filters of value (around a name) if any
    kMacro,       ///< text(parameters): body
    kGeneration,  ///< body, in a scope of its own
    kBreak,
    kContinue
  };
  Kind kind;
  std::size_t offset;
  std::string text;
  NodePtr value;
  NodePtr condition;
  Target target;
  std::vector<Branch> branches;
  Body body;
  Body otherwise;
  std::vector<Parameter> parameters;
};

}  // namespace lethe::models::jinja
