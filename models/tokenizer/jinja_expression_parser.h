// SPDX-License-Identifier: Apache-2.0
// The expressions of a template: the lower half of the parser.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/jinja_ast.h"
#include "models/tokenizer/jinja_lexer.h"

namespace lethe::models::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(const Source& source) : source_(source), tokens_(lex(source)) {}

 protected:
  /// An expression, or several with commas between: a tuple. Without `conditional`, an `if` ends
  /// it.
  NodePtr tuple_or_expression(bool conditional);
  NodePtr expression();
  /// "or" and everything that binds tighter: no inline `if`.
  NodePtr disjunction();
  /// Filters behind a value.
  NodePtr filters(NodePtr node);

  const Token& token() const { return tokens_[at_]; }
  const Token& next_token() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void advance() { ++at_; }
  bool is_operator(std::string_view text) const;
  bool is_keyword(std::string_view text) const;
  /// Steps over the token when it is this one.
  bool skip_operator(std::string_view text);
  bool skip_keyword(std::string_view text);
  void expect_operator(std::string_view text);
  std::string expect_name(std::string_view what);
  [[noreturn]] void unexpected(std::string_view expected) const;
  [[noreturn]] void fail_at(std::size_t offset, const std::string& message) const {
    source_.fail_at(offset, message);
  }
  bool ends_tag() const;

  /// Bounds the recursion of this parser: one per level of brackets, operators or blocks.
  class Level {
   public:
    explicit Level(ExpressionParser& parser);
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    ExpressionParser& parser_;
  };

 private:
  NodePtr make(Node::Kind kind, std::size_t offset) const;
  void adopt(Node& parent, NodePtr child) const;
  /// Bounds the height of the tree: evaluation recurses along it.
  void grow(Node& parent, const Node& child) const;
  NodePtr with(Node::Kind kind, std::size_t offset, NodePtr first, NodePtr second) const;
  NodePtr binary(std::string operation, std::size_t offset, NodePtr left, NodePtr right) const;

  NodePtr conjunction();
  NodePtr negation();
  NodePtr comparison();
  NodePtr sum();
  NodePtr concatenation();
  NodePtr product();
  NodePtr power();
  NodePtr unary(bool with_filters);
  NodePtr primary();
  NodePtr postfix(NodePtr node);
  NodePtr subscript(NodePtr node);
  NodePtr call(NodePtr node);
  void arguments(Node& node);
  NodePtr filter(NodePtr node);
  NodePtr test(NodePtr node);
  NodePtr parenthesis();
  NodePtr list();
  NodePtr dict();
  NodePtr number(const Token& token) const;
  std::optional<std::string> comparison_operator();

  const Source& source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
};

}  // namespace lethe::models::jinja
