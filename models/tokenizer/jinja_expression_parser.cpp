// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_expression_parser.h"

#include <algorithm>
#include <charconv>

namespace lethe::models::jinja {
namespace {

// Templates in use stay below 20 in both.
constexpr int kDeepestLevel = 100;
constexpr int kHighestTree = 200;

std::string describe_token(const Token& token) {
  switch (token.type) {
    case TokenType::kBlockEnd:
      return "'%}'";
    case TokenType::kVariableEnd:
      return "'}}'";
    case TokenType::kString:
      return "a string";
    case TokenType::kData:
    case TokenType::kBlockBegin:
    case TokenType::kVariableBegin:
      return "the next part of the template";
    case TokenType::kEnd:
      return "the end of the template";
    case TokenType::kName:
    case TokenType::kInteger:
    case TokenType::kFloat:
    case TokenType::kOperator:
      break;
  }
  return "'" + token.text + "'";
}

}  // namespace

ExpressionParser::Level::Level(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.level_ > kDeepestLevel) {
    parser_.fail_at(parser_.token().offset, "expected at most " + std::to_string(kDeepestLevel) +
                                                " levels of brackets and blocks, found more");
  }
}

bool ExpressionParser::is_operator(std::string_view text) const {
  return token().type == TokenType::kOperator && token().text == text;
}

bool ExpressionParser::is_keyword(std::string_view text) const {
  return token().type == TokenType::kName && token().text == text;
}

bool ExpressionParser::skip_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  advance();
  return true;
}

bool ExpressionParser::skip_keyword(std::string_view text) {
  if (!is_keyword(text)) return false;
  advance();
  return true;
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) unexpected("'" + std::string(text) + "'");
}

std::string ExpressionParser::expect_name(std::string_view what) {
  if (token().type != TokenType::kName) unexpected(what);
  std::string name = token().text;
  advance();
  return name;
}

void ExpressionParser::unexpected(std::string_view expected) const {
  fail_at(token().offset,
          "expected " + std::string(expected) + ", found " + describe_token(token()));
}

bool ExpressionParser::ends_tag() const {
  return token().type == TokenType::kBlockEnd || token().type == TokenType::kVariableEnd;
}

NodePtr ExpressionParser::make(Node::Kind kind, std::size_t offset) const {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->offset = offset;
  return node;
}

void ExpressionParser::adopt(Node& parent, NodePtr child) const {
  if (child != nullptr) grow(parent, *child);
  parent.children.push_back(std::move(child));
}

void ExpressionParser::grow(Node& parent, const Node& child) const {
  parent.height = std::max(parent.height, child.height + 1);
  if (parent.height > kHighestTree) {
    fail_at(parent.offset, "expected an expression of at most " + std::to_string(kHighestTree) +
                               " operations in a row, found more");
  }
}

NodePtr ExpressionParser::with(Node::Kind kind, std::size_t offset, NodePtr first,
                               NodePtr second) const {
  NodePtr node = make(kind, offset);
  adopt(*node, std::move(first));
  if (second != nullptr) adopt(*node, std::move(second));
  return node;
}

NodePtr ExpressionParser::binary(std::string operation, std::size_t offset, NodePtr left,
                                 NodePtr right) const {
  NodePtr node = with(Node::Kind::kBinary, offset, std::move(left), std::move(right));
  node->operators.push_back(std::move(operation));
  return node;
}

NodePtr ExpressionParser::tuple_or_expression(bool conditional) {
  const std::size_t offset = token().offset;
  NodePtr first = conditional ? expression() : disjunction();
  if (!is_operator(",")) return first;
  NodePtr node = make(Node::Kind::kTuple, offset);
  adopt(*node, std::move(first));
  while (skip_operator(",")) {
    if (ends_tag() || is_operator(")") || is_operator("=")) break;
    adopt(*node, conditional ? expression() : disjunction());
  }
  return node;
}

NodePtr ExpressionParser::expression() {
  const Level level(*this);
  NodePtr node = disjunction();
  while (is_keyword("if")) {
    const std::size_t offset = token().offset;
    advance();
    NodePtr condition = disjunction();
    NodePtr otherwise = skip_keyword("else") ? expression() : nullptr;
    NodePtr choice = with(Node::Kind::kConditional, offset, std::move(node), std::move(condition));
    adopt(*choice, std::move(otherwise));
    node = std::move(choice);
  }
  return node;
}

NodePtr ExpressionParser::disjunction() {
  NodePtr left = conjunction();
  while (is_keyword("or")) {
    const std::size_t offset = token().offset;
    advance();
    left = with(Node::Kind::kOr, offset, std::move(left), conjunction());
  }
  return left;
}

NodePtr ExpressionParser::conjunction() {
  NodePtr left = negation();
  while (is_keyword("and")) {
    const std::size_t offset = token().offset;
    advance();
    left = with(Node::Kind::kAnd, offset, std::move(left), negation());
  }
  return left;
}

NodePtr ExpressionParser::negation() {
  if (!is_keyword("not")) return comparison();
  const Level level(*this);
  const std::size_t offset = token().offset;
  advance();
  return with(Node::Kind::kNot, offset, negation(), nullptr);
}

std::optional<std::string> ExpressionParser::comparison_operator() {
  for (const char* text : {"==", "!=", "<", "<=", ">", ">="}) {
    if (skip_operator(text)) return text;
  }
  if (skip_keyword("in")) return "in";
  if (is_keyword("not") && next_token().type == TokenType::kName && next_token().text == "in") {
    advance();
    advance();
    return "not in";
  }
  return std::nullopt;
}

NodePtr ExpressionParser::comparison() {
  const std::size_t offset = token().offset;
  NodePtr left = sum();
  auto operation = comparison_operator();
  if (!operation) return left;
  NodePtr node = with(Node::Kind::kCompare, offset, std::move(left), nullptr);
  for (; operation; operation = comparison_operator()) {
    node->operators.push_back(*operation);
    adopt(*node, sum());
  }
  return node;
}

NodePtr ExpressionParser::sum() {
  NodePtr left = concatenation();
  while (is_operator("+") || is_operator("-")) {
    const Token& sign = token();
    advance();
    left = binary(sign.text, sign.offset, std::move(left), concatenation());
  }
  return left;
}

NodePtr ExpressionParser::concatenation() {
  NodePtr first = product();
  if (!is_operator("~")) return first;
  NodePtr node = with(Node::Kind::kConcat, token().offset, std::move(first), nullptr);
  while (skip_operator("~")) adopt(*node, product());
  return node;
}

NodePtr ExpressionParser::product() {
  NodePtr left = power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const Token& sign = token();
    advance();
    left = binary(sign.text, sign.offset, std::move(left), power());
  }
  return left;
}

NodePtr ExpressionParser::power() {
  NodePtr left = unary(true);
  while (is_operator("**")) {
    const Token& sign = token();
    advance();
    left = binary(sign.text, sign.offset, std::move(left), unary(true));
  }
  return left;
}

NodePtr ExpressionParser::unary(bool with_filters) {
  NodePtr node;
  if (is_operator("-") || is_operator("+")) {
    const Level level(*this);
    const Token& sign = token();
    advance();
    const auto kind = sign.text == "-" ? Node::Kind::kNegate : Node::Kind::kPlus;
    node = with(kind, sign.offset, unary(false), nullptr);
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters(std::move(node)) : std::move(node);
}

NodePtr ExpressionParser::number(const Token& token) const {
  NodePtr node = make(Node::Kind::kConstant, token.offset);
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.type == TokenType::kFloat) {
    double value = 0;
    if (std::from_chars(begin, end, value).ec != std::errc()) {
      fail_at(token.offset, "expected a number that a float holds, found " + token.text);
    }
    node->constant = Value(value);
    return node;
  }
  std::int64_t value = 0;
  if (std::from_chars(begin, end, value).ec != std::errc()) {
    fail_at(token.offset, "expected an integer of 64 bits, found " + token.text);
  }
  node->constant = make_integer(value);
  return node;
}

NodePtr ExpressionParser::primary() {
  const Token& first = token();
  if (first.type == TokenType::kInteger || first.type == TokenType::kFloat) {
    advance();
    return number(first);
  }
  if (first.type == TokenType::kString) {
    std::string text;
    for (; token().type == TokenType::kString; advance()) text += token().text;
    NodePtr node = make(Node::Kind::kConstant, first.offset);
    node->constant = make_text(std::move(text));
    return node;
  }
  if (first.type == TokenType::kName) {
    advance();
    const std::string& name = first.text;
    NodePtr node = make(Node::Kind::kConstant, first.offset);
    if (name == "true" || name == "True") {
      node->constant = Value(true);
    } else if (name == "false" || name == "False") {
      node->constant = Value(false);
    } else if (name == "none" || name == "None") {
      node->constant = Value(None{});
    } else {
      node->kind = Node::Kind::kName;
      node->name = name;
    }
    return node;
  }
  if (is_operator("(")) return parenthesis();
  if (is_operator("[")) return list();
  if (is_operator("{")) return dict();
  unexpected("a value (a name, a string, a number, '(', '[' or '{')");
}

NodePtr ExpressionParser::parenthesis() {
  const std::size_t offset = token().offset;
  advance();
  NodePtr node = is_operator(")") ? make(Node::Kind::kTuple, offset) : tuple_or_expression(true);
  expect_operator(")");
  return node;
}

NodePtr ExpressionParser::list() {
  NodePtr node = make(Node::Kind::kList, token().offset);
  advance();
  while (!skip_operator("]")) {
    if (!node->children.empty()) {
      expect_operator(",");
      if (skip_operator("]")) break;
    }
    adopt(*node, expression());
  }
  return node;
}

NodePtr ExpressionParser::dict() {
  NodePtr node = make(Node::Kind::kDict, token().offset);
  advance();
  while (!skip_operator("}")) {
    if (!node->children.empty()) {
      expect_operator(",");
      if (skip_operator("}")) break;
    }
    adopt(*node, expression());
    expect_operator(":");
    adopt(*node, expression());
  }
  return node;
}

NodePtr ExpressionParser::postfix(NodePtr node) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      node = subscript(std::move(node));
    } else if (is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

NodePtr ExpressionParser::subscript(NodePtr node) {
  const std::size_t offset = token().offset;
  if (skip_operator(".")) {
    if (token().type == TokenType::kInteger) {
      NodePtr index = number(token());
      advance();
      return with(Node::Kind::kItem, offset, std::move(node), std::move(index));
    }
    NodePtr access = with(Node::Kind::kAttribute, offset, std::move(node), nullptr);
    access->name = expect_name("the name of an attribute");
    return access;
  }
  advance();
  NodePtr parts[3];
  if (!is_operator(":")) parts[0] = expression();
  if (is_operator(",")) unexpected("one index, a slice");
  if (skip_operator("]")) {
    return with(Node::Kind::kItem, offset, std::move(node), std::move(parts[0]));
  }
  for (int part = 1; part < 3 && skip_operator(":"); ++part) {
    if (!is_operator(":") && !is_operator("]")) {
      parts[static_cast<std::size_t>(part)] = expression();
    }
  }
  expect_operator("]");
  NodePtr slice = with(Node::Kind::kSlice, offset, std::move(node), nullptr);
  for (NodePtr& part : parts) adopt(*slice, std::move(part));
  return slice;
}

NodePtr ExpressionParser::call(NodePtr node) {
  NodePtr made = with(Node::Kind::kCall, token().offset, std::move(node), nullptr);
  arguments(*made);
  return made;
}

void ExpressionParser::arguments(Node& node) {
  expect_operator("(");
  for (bool first = true; !skip_operator(")"); first = false) {
    if (!first) {
      expect_operator(",");
      if (skip_operator(")")) break;
    }
    if (is_operator("*") || is_operator("**")) unexpected("an argument (no '*')");
    if (token().type == TokenType::kName && next_token().type == TokenType::kOperator &&
        next_token().text == "=") {
      const std::string name = token().text;
      for (const auto& [known, value] : node.keywords) {
        if (known == name) fail_at(token().offset, "found the argument '" + name + "' twice");
      }
      advance();
      advance();
      NodePtr value = expression();
      grow(node, *value);
      node.keywords.emplace_back(name, std::move(value));
    } else {
      if (!node.keywords.empty()) unexpected("an argument with a name");
      adopt(node, expression());
    }
  }
}

NodePtr ExpressionParser::filters(NodePtr node) {
  while (true) {
    if (skip_operator("|")) {
      node = filter(std::move(node));
    } else if (is_keyword("is")) {
      node = test(std::move(node));
    } else if (is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

NodePtr ExpressionParser::filter(NodePtr node) {
  NodePtr made = with(Node::Kind::kFilter, token().offset, std::move(node), nullptr);
  made->name = expect_name("the name of a filter");
  if (is_operator("(")) arguments(*made);
  return made;
}

NodePtr ExpressionParser::test(NodePtr node) {
  const std::size_t offset = token().offset;
  advance();
  const bool negated = skip_keyword("not");
  NodePtr made = with(Node::Kind::kTest, offset, std::move(node), nullptr);
  made->name = expect_name("the name of a test");
  const bool value_follows =
      token().type == TokenType::kString || token().type == TokenType::kInteger ||
      token().type == TokenType::kFloat || is_operator("[") || is_operator("{") ||
      (token().type == TokenType::kName && !is_keyword("else") && !is_keyword("or") &&
       !is_keyword("and") && !is_keyword("if"));
  if (is_operator("(")) {
    arguments(*made);
  } else if (value_follows) {
    if (is_keyword("is")) unexpected("the end of the test (tests are not chained)");
    adopt(*made, postfix(primary()));
  }
  return negated ? with(Node::Kind::kNot, offset, std::move(made), nullptr) : std::move(made);
}

}  // namespace lethe::models::jinja
