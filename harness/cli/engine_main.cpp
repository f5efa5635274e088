// SPDX-License-Identifier: Apache-2.0
// lethe-engine: the commands that run models (LibTorch). `lethe` starts it.
#include <cstdio>
#include <cstdlib>

#include "harness/cli/commands/commands.h"
#include "models/engine/evaluate.h"

int main(int argc, char** argv) {
  using namespace lethe::cli;
  lethe::models::set_compute_threads(0);  // all cores, until a command's --threads says otherwise
  const std::vector<Command> commands{
      {attention_spec(), run_attention, {}},  {bench_spec(), run_bench, {}},
      {generate_spec(), run_generate, {}},    {namm_spec(), run_namm, {}},
      {trace_spec(), run_trace, {}},          {train_spec(), run_train, {}},
      {worker_spec(), run_worker_process, {}}};
  const int code = run_program("lethe", commands, argc, argv);
  // Without LibTorch's static destructors, which take a while and, in some builds of it, abort.
  std::fflush(nullptr);  // what printf wrote; run_program() has flushed std::cout
  std::_Exit(code);
}
