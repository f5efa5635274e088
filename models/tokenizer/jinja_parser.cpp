// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_parser.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "models/tokenizer/jinja_expression_parser.h"

namespace lethe::models::jinja {
namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body run() {
    Body body = statements({});
    if (token().type != TokenType::kEnd) unexpected("text or a tag");
    return body;
  }

 private:
  // Up to, and not including, a block that begins with one of `ends`.
  Body statements(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    Body body;
    while (token().type != TokenType::kEnd) {
      if (token().type == TokenType::kData) {
        body.push_back(make(Statement::Kind::kText));
        body.back().text = token().text;
        advance();
      } else if (token().type == TokenType::kVariableBegin) {
        body.push_back(make(Statement::Kind::kOutput));
        advance();
        body.back().value = tuple_or_expression(true);
        if (token().type != TokenType::kVariableEnd) unexpected("'}}'");
        advance();
      } else {
        const Token& name = next_token();
        if (name.type == TokenType::kName && std::ranges::find(ends, name.text) != ends.end()) {
          return body;
        }
        advance();
        body.push_back(statement());
      }
    }
    if (ends.size() > 0) {
      std::string wanted;
      for (const std::string_view end : ends) {
        wanted += (wanted.empty() ? "{% " : " or {% ") + std::string(end) + " %}";
      }
      unexpected(wanted);
    }
    return body;
  }

  Statement make(Statement::Kind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.offset = token().offset;
    return statement;
  }

  Statement statement() {
    if (is_keyword("if")) return if_statement();
    if (is_keyword("for")) return for_statement();
    if (is_keyword("set")) return set_statement();
    if (is_keyword("macro")) return macro_statement();
    if (is_keyword("generation")) {
      Statement block = make(Statement::Kind::kGeneration);
      advance();
      // transformers renders the block by a call, and no jump leaves a function in Python.
      block.body = outside_loops("endgeneration");
      return block;
    }
    if (is_keyword("break") || is_keyword("continue")) {
      if (loops_ == 0) unexpected("a loop around 'break' or 'continue'");
      Statement jump =
          make(is_keyword("break") ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      advance();
      end_of_tag();
      return jump;
    }
    unexpected("a tag that is supported (if, for, set, macro, generation, break, continue, raw)");
  }

  void end_of_tag() {
    if (token().type != TokenType::kBlockEnd) unexpected("'%}'");
    advance();
  }

  // Steps over "{% name".
  std::string enter() {
    advance();
    std::string name = token().text;
    advance();
    return name;
  }

  // What stands between the end of this tag and {% end %}, which is stepped over.
  Body block_until(std::string_view end) {
    end_of_tag();
    Body body = statements({end});
    enter();
    end_of_tag();
    return body;
  }

  Statement if_statement() {
    Statement choice = make(Statement::Kind::kIf);
    advance();
    while (true) {
      Branch branch;
      branch.condition = tuple_or_expression(false);
      end_of_tag();
      branch.body = statements({"elif", "else", "endif"});
      choice.branches.push_back(std::move(branch));
      const std::string name = enter();
      if (name == "elif") continue;
      if (name == "else") choice.otherwise = block_until("endif");
      if (name == "endif") end_of_tag();
      return choice;
    }
  }

  Target target(bool may_have_attribute) {
    Target found;
    found.offset = token().offset;
    const bool closed = skip_operator("(");
    found.names.push_back(assigned_name());
    if (may_have_attribute && !closed && skip_operator(".")) {
      found.attribute = expect_name("the name of an attribute");
      return found;
    }
    while (skip_operator(",")) {
      found.unpack = true;
      if (token().type != TokenType::kName || is_keyword("in")) break;
      found.names.push_back(assigned_name());
    }
    if (closed) expect_operator(")");
    return found;
  }

  std::string assigned_name() {
    for (const char* constant : {"true", "True", "false", "False", "none", "None"}) {
      if (is_keyword(constant)) unexpected("a name that can be assigned to");
    }
    return expect_name("a name to assign to");
  }

  Statement for_statement() {
    Statement loop = make(Statement::Kind::kFor);
    advance();
    loop.target = target(false);
    for (const std::string& name : loop.target.names) {
      if (name == "loop") fail_at(loop.target.offset, "found 'loop' as the variable of a loop");
    }
    if (!skip_keyword("in")) unexpected("'in'");
    loop.value = tuple_or_expression(false);
    if (skip_keyword("if")) loop.condition = expression();
    if (is_keyword("recursive")) unexpected("'%}' (recursive loops are not supported)");
    end_of_tag();
    ++loops_;
    loop.body = statements({"else", "endfor"});
    --loops_;
    if (enter() == "else") {
      loop.otherwise = block_until("endfor");
    } else {
      end_of_tag();
    }
    return loop;
  }

  Statement set_statement() {
    Statement set = make(Statement::Kind::kSet);
    advance();
    set.target = target(true);
    if (skip_operator("=")) {
      set.value = tuple_or_expression(true);
      end_of_tag();
      return set;
    }
    if (set.target.unpack) unexpected("'='");
    set.kind = Statement::Kind::kSetBlock;
    if (is_operator("|")) {
      auto block = std::make_unique<Node>();
      block->kind = Node::Kind::kName;
      block->offset = token().offset;
      set.value = filters(std::move(block));
    }
    set.body = outside_loops("endset");
    return set;
  }

  // A body that a `break` cannot leave.
  Body outside_loops(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body body = block_until(end);
    loops_ = loops;
    return body;
  }

  Statement macro_statement() {
    Statement macro = make(Statement::Kind::kMacro);
    advance();
    macro.text = expect_name("the name of the macro");
    expect_operator("(");
    while (!skip_operator(")")) {
      if (!macro.parameters.empty()) {
        expect_operator(",");
        if (skip_operator(")")) break;
      }
      Parameter parameter;
      const std::size_t offset = token().offset;
      parameter.name = assigned_name();
      for (const Parameter& known : macro.parameters) {
        if (known.name == parameter.name) {
          fail_at(offset, "found the parameter '" + parameter.name + "' twice");
        }
      }
      if (skip_operator("=")) {
        parameter.fallback = expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
        unexpected("'=': a parameter behind one with a default");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    macro.body = outside_loops("endmacro");
    return macro;
  }

  int loops_ = 0;
};

}  // namespace

Body parse(const Source& source) {
  return Parser(source).run();
}

}  // namespace lethe::models::jinja
