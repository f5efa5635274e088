// SPDX-License-Identifier: Apache-2.0
// One function per command of the two programs.
#pragma once

#include "harness/cli/command.h"

namespace lethe::cli {

// lethe
Command analyze_command();
/// `bench harness`, `scorers` and `tokenizers` here, the other benchmarks in lethe-engine.
Command bench_command();
Command export_command();
Command fetch_command();
Command flops_command();
Command import_command();
Command list_command();
Command manifest_command();
Command merge_command();
Command query_command();
Command report_command();
Command reproduce_command();
Command run_command();
Command score_command();
Command status_command();
Command tokenize_command();
Command verify_command();

// lethe-engine. Their specifications are compiled into both programs, so that `lethe help` knows
// them.
CommandSpec attention_spec();
CommandSpec bench_spec();
CommandSpec generate_spec();
CommandSpec namm_spec();
CommandSpec trace_spec();
CommandSpec train_spec();
CommandSpec worker_spec();
int run_attention(const Options& options);
int run_bench(const Options& options);
int run_generate(const Options& options);
int run_namm(const Options& options);
int run_trace(const Options& options);
int run_train(const Options& options);
/// `train namm`, which run_train() hands over.
int train_namm(const Options& options);
int run_worker_process(const Options& options);

}  // namespace lethe::cli
