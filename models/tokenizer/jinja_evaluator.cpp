// SPDX-License-Identifier: Apache-2.0
#include "models/tokenizer/jinja_evaluator.h"

#include <map>
#include <utility>
#include <vector>

#include "models/tokenizer/jinja_filters.h"
#include "models/tokenizer/jinja_format.h"
#include "models/tokenizer/jinja_globals.h"
#include "models/tokenizer/jinja_operators.h"

namespace lethe::models::jinja {

struct Scope {
  Scope* parent = nullptr;
  std::map<std::string, Value, std::less<>> variables;
};

namespace {

// Of the interpreter's own recursion: nested tags and expressions, and macros that call macros.
constexpr int kDeepest = 500;

enum class Flow { kNext, kBreak, kContinue };

class Evaluator {
 public:
  Evaluator(const Source& source, const std::optional<std::tm>& now, const Limits& limits)
      : source_(source), now_(now), budget_(limits) {}

  std::string run(const Body& body, const json::object& variables) {
    Scope root;
    try {
      for (const auto& [name, value] : variables) {
        root.variables[std::string(name)] = from_json(budget_, value);
      }
    } catch (const Fault& fault) {
      source_.fail_at(0, "a variable: " + fault.message);
    }
    scope_ = &root;
    execute(body);
    return std::move(out_);
  }

 private:
  /// A scope within the current one, for as long as it lives.
  class Inner {
   public:
    Inner(Evaluator& evaluator, Scope* parent) : evaluator_(evaluator), before_(evaluator.scope_) {
      scope_.parent = parent;
      evaluator_.scope_ = &scope_;
    }
    explicit Inner(Evaluator& evaluator) : Inner(evaluator, evaluator.scope_) {}
    ~Inner() { evaluator_.scope_ = before_; }
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;
    void set(const std::string& name, Value value) { scope_.variables[name] = std::move(value); }

   private:
    Evaluator& evaluator_;
    Scope* before_;
    Scope scope_;
  };

  class Level {
   public:
    explicit Level(Evaluator& evaluator) : evaluator_(evaluator) {
      if (++evaluator_.level_ > kDeepest) {
        --evaluator_.level_;
        fail("expected at most " + std::to_string(kDeepest) +
             " levels of tags, expressions and macros, found more");
      }
    }
    ~Level() { --evaluator_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Evaluator& evaluator_;
  };

  Flow execute(const Body& body) {
    for (const Statement& statement : body) {
      try {
        const Level level(*this);
        budget_.step();
        const Flow flow = execute(statement);
        if (flow != Flow::kNext) return flow;
      } catch (const Fault& fault) {
        source_.fail_at(statement.offset, fault.message);
      }
    }
    return Flow::kNext;
  }

  Flow execute(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::kText:
        write(statement.text);
        break;
      case Statement::Kind::kOutput:
        output(*statement.value);
        break;
      case Statement::Kind::kIf:
        return choose(statement);
      case Statement::Kind::kFor:
        return loop(statement);
      case Statement::Kind::kSet:
        assign(statement.target, evaluate(*statement.value));
        break;
      case Statement::Kind::kSetBlock:
        set_block(statement);
        break;
      case Statement::Kind::kMacro:
        scope_->variables[statement.text] = Value(std::make_shared<const Function>(
            Function{Function::Kind::kMacro, statement.text, Value(), &statement, scope_}));
        break;
      case Statement::Kind::kGeneration: {
        const Inner inner(*this);
        return execute(statement.body);
      }
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNext;
  }

  void write(const std::string& text) {
    budget_.bytes(text.size());
    if (text.size() > budget_.output_bytes() - out_.size()) {
      fail("the template writes more than " + std::to_string(budget_.output_bytes()) +
           " bytes, the limit of one rendering");
    }
    out_ += text;
  }

  void output(const Node& node) {
    const bool last_filter = node.kind == Node::Kind::kFilter && node.children.size() == 1;
    if (last_filter && node.name == "safe") return write(text_of(evaluate(*node.children[0])));
    if (last_filter && (node.name == "e" || node.name == "escape")) {
      return write(escaped(budget_, text_of(evaluate(*node.children[0]))));
    }
    write(text_of(evaluate(node)));
  }

  std::string text_of(const Value& value) { return to_text(budget_, value); }

  Flow choose(const Statement& statement) {
    for (const Branch& branch : statement.branches) {
      if (is_true(evaluate(*branch.condition))) return execute(branch.body);
    }
    return execute(statement.otherwise);
  }

  Flow loop(const Statement& statement) {
    std::vector<Value> visited = elements(budget_, evaluate(*statement.value));
    if (statement.condition != nullptr) {
      std::vector<Value> kept;
      for (Value& item : visited) {
        const Inner inner(*this);
        assign(statement.target, item);
        if (is_true(evaluate(*statement.condition))) kept.push_back(std::move(item));
      }
      visited = std::move(kept);
    }
    const Value all = make_list(budget_, std::move(visited));
    const auto& items = std::get<std::shared_ptr<const List>>(all.data());
    // As in jinja2, "else" is for loops whose body never came to its end.
    bool completed = false;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
      Inner inner(*this);
      budget_.step();
      inner.set("loop", Value(std::make_shared<const Loop>(Loop{items, i})));
      assign(statement.target, items->items[i]);
      const Flow flow = execute(statement.body);
      if (flow == Flow::kBreak) break;
      completed = completed || flow == Flow::kNext;
    }
    if (completed) return Flow::kNext;
    // A break or continue there is about the loop around this one.
    const Inner inner(*this);
    return execute(statement.otherwise);
  }

  void assign(const Target& target, const Value& value) {
    if (!target.attribute.empty()) {
      const Value space = look_up(target.names[0]);
      if (space.name_space() == nullptr) {
        fail("expected a namespace to set '" + target.attribute + "' of, found " + describe(space));
      }
      check_storable(value);
      space.name_space()->attributes[target.attribute] = value;
    } else if (!target.unpack) {
      scope_->variables[target.names[0]] = value;
    } else {
      const std::vector<Value> parts = elements(budget_, value);
      if (parts.size() != target.names.size()) {
        fail("expected " + std::to_string(target.names.size()) + " values to unpack, found " +
             std::to_string(parts.size()));
      }
      for (std::size_t i = 0; i < parts.size(); ++i) {
        scope_->variables[target.names[i]] = parts[i];
      }
    }
  }

  // What the body writes, as a value.
  std::string captured(const Body& body) {
    std::string outside = std::exchange(out_, {});
    execute(body);
    return std::exchange(out_, std::move(outside));
  }

  void set_block(const Statement& statement) {
    Value value;
    {
      Inner inner(*this);
      value = make_text(captured(statement.body));
      if (statement.value != nullptr) {
        inner.set("", value);  // the parser put a variable without a name below the filters
        value = evaluate(*statement.value);
      }
    }
    assign(statement.target, value);
  }

  Value look_up(const std::string& name) {
    for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
      const auto found = scope->variables.find(name);
      if (found != scope->variables.end()) return found->second;
    }
    if (const auto global = find_global(name)) return *global;
    return make_undefined("'" + name + "'");
  }

  Value evaluate(const Node& node) {
    try {
      const Level level(*this);
      budget_.step();
      return value_of(node);
    } catch (const Fault& fault) {
      source_.fail_at(node.offset, fault.message);
    }
  }

  Value child(const Node& node, std::size_t place) { return evaluate(*node.children[place]); }

  std::vector<Value> children(const Node& node, std::size_t first = 0) {
    std::vector<Value> values;
    for (std::size_t i = first; i < node.children.size(); ++i) values.push_back(child(node, i));
    return values;
  }

  Value value_of(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kConstant:
        return node.constant;
      case Node::Kind::kName:
        return look_up(node.name);
      case Node::Kind::kList:
        return make_list(budget_, children(node));
      case Node::Kind::kTuple:
        return make_list(budget_, children(node), true);
      case Node::Kind::kDict:
        return dict(node);
      case Node::Kind::kAttribute:
        return attribute(budget_, child(node, 0), node.name);
      case Node::Kind::kItem:
        return item(budget_, child(node, 0), child(node, 1));
      case Node::Kind::kSlice:
        return sliced(node);
      case Node::Kind::kCall:
        return call(node);
      case Node::Kind::kFilter: {
        const Value value = child(node, 0);
        Arguments given = arguments(node);
        return apply_filter(budget_, node.name, value, given);
      }
      case Node::Kind::kTest: {
        const Value value = child(node, 0);
        Arguments given = arguments(node);
        return Value(apply_test(budget_, node.name, value, given));
      }
      case Node::Kind::kNegate:
        return negate(child(node, 0));
      case Node::Kind::kPlus:
        return binary(budget_, "+", make_integer(0), child(node, 0));
      case Node::Kind::kNot:
        return Value(!is_true(child(node, 0)));
      case Node::Kind::kAnd:
      case Node::Kind::kOr: {
        Value left = child(node, 0);
        return is_true(left) == (node.kind == Node::Kind::kAnd) ? child(node, 1) : left;
      }
      case Node::Kind::kConditional:
        if (is_true(child(node, 1))) return child(node, 0);
        return node.children[2] != nullptr ? child(node, 2)
                                           : make_undefined("an inline if without else");
      case Node::Kind::kConcat:
        return concatenated(node);
      case Node::Kind::kBinary: {
        const Value left = child(node, 0);
        return binary(budget_, node.operators[0], left, child(node, 1));
      }
      case Node::Kind::kCompare:
        return compared(node);
    }
    return Value();
  }

  Value dict(const Node& node) {
    std::vector<std::pair<Value, Value>> members;
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      Value key = child(node, i);
      members.emplace_back(std::move(key), child(node, i + 1));
    }
    return make_dict(budget_, std::move(members));
  }

  Value sliced(const Node& node) {
    const Value whole = child(node, 0);
    Value bounds[3];
    for (std::size_t i = 0; i < 3; ++i) {
      bounds[i] = node.children[i + 1] != nullptr ? child(node, i + 1) : Value(None{});
    }
    return slice(budget_, whole, bounds[0], bounds[1], bounds[2]);
  }

  Value concatenated(const Node& node) {
    std::string text;
    for (const Value& part : children(node)) text += text_of(part);
    return make_text(std::move(text));
  }

  // a < b < c is a < b and b < c.
  Value compared(const Node& node) {
    Value left = child(node, 0);
    for (std::size_t i = 0; i < node.operators.size(); ++i) {
      Value right = child(node, i + 1);
      if (!compare(budget_, node.operators[i], left, right)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Arguments arguments(const Node& node) {
    Arguments given;
    given.positional = children(node, 1);
    for (const auto& [name, value] : node.keywords)
      given.named.emplace_back(name, evaluate(*value));
    return given;
  }

  Value call(const Node& node) {
    const Value callee = child(node, 0);
    const Function* function = callee.function();
    if (function == nullptr) fail("expected something to call, found " + describe(callee));
    Arguments given = arguments(node);
    if (function->kind == Function::Kind::kMacro) return call_macro(*function, given);
    if (function->kind == Function::Kind::kMethod) {
      return call_method(budget_, function->self, function->name, given);
    }
    return call_global(budget_, function->name, given, now_);
  }

  Value call_macro(const Function& function, Arguments& given) {
    const Statement& macro = *function.macro;
    Inner inner(*this, function.scope);
    for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
      const Parameter& parameter = macro.parameters[i];
      if (const Value* value = given.find(i, parameter.name)) {
        inner.set(parameter.name, *value);
      } else if (parameter.fallback != nullptr) {
        inner.set(parameter.name, evaluate(*parameter.fallback));
      } else {
        inner.set(parameter.name, make_undefined("the parameter '" + parameter.name + "'"));
      }
    }
    given.finish();
    return make_text(captured(macro.body));
  }

  const Source& source_;
  const std::optional<std::tm>& now_;
  Budget budget_;
  Scope* scope_ = nullptr;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string evaluate(const Source& source, const Body& body, const json::object& variables,
                     const std::optional<std::tm>& now, const Limits& limits) {
  return Evaluator(source, now, limits).run(body, variables);
}

}  // namespace lethe::models::jinja
