// SPDX-License-Identifier: Apache-2.0
// lethe: coordinator, database, reports, tokenizer. Links no LibTorch, so that it starts in
// milliseconds; what runs a model is handed to lethe-engine.
#include "harness/cli/commands/commands.h"
#include "harness/cli/root.h"

namespace {

lethe::cli::Command engine_command(lethe::cli::CommandSpec spec) {
  const auto forward = [name = spec.name](const std::vector<std::string>& words) {
    return lethe::cli::exec_engine(name, words);
  };
  return {std::move(spec), {}, forward};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace lethe::cli;
  const std::vector<Command> commands{reproduce_command(),
                                      run_command(),
                                      status_command(),
                                      report_command(),
                                      query_command(),
                                      verify_command(),
                                      merge_command(),
                                      export_command(),
                                      import_command(),
                                      manifest_command(),
                                      engine_command(generate_spec()),
                                      engine_command(trace_spec()),
                                      engine_command(train_spec()),
                                      engine_command(attention_spec()),
                                      engine_command(namm_spec()),
                                      analyze_command(),
                                      flops_command(),
                                      bench_command(),
                                      score_command(),
                                      tokenize_command(),
                                      fetch_command(),
                                      list_command(),
                                      engine_command(worker_spec())};
  return run_program("lethe", commands, argc, argv);
}
