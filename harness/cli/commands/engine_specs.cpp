// SPDX-License-Identifier: Apache-2.0
// What the commands of lethe-engine take; compiled into both programs (see commands.h).
#include "harness/cli/commands/commands.h"

namespace lethe::cli {

CommandSpec worker_spec() {
  CommandSpec spec;
  spec.name = "worker";
  spec.summary = "run jobs that a coordinator sends over a socket";
  spec.description = "Started by `lethe run`; FD is the number of the open socket.";
  spec.arguments = {{"FD"}};
  spec.options = {{"threads", "N", "threads of the matrix products"},
                  {"device", "NAME", "cpu (default), cuda:0, …"},
                  {"shared-memory", "FD", "open file in which the workers of a run share weights"},
                  plugin_option()};
  spec.hidden = true;
  return spec;
}

CommandSpec bench_spec() {
  CommandSpec spec;
  spec.name = "bench";
  spec.summary =
      "how fast the exact scan is, beside the step path, the dense forward and the GEMM limit";
  spec.description =
      "bench exact: tokens per second of the scan, the step path (one token at a time) and the "
      "dense\n"
      "forward with LibTorch's fused attention, in turn on one text, with their ratios and the "
      "share\n"
      "of the GEMM limit (the model's matrix products alone, at the scan's shapes). Then what the\n"
      "decisions of some policies cost, and the scan at growing lengths with its resident memory. "
      "The step path is measured on a shorter text\n"
      "(--step-tokens) because its rate does not depend on the length.\n\n"
      "bench generate: prompts through the scan, then tokens by lanes of samples in step: rates "
      "of\n"
      "both, time to the first token and per token, bytes of the cache, by batch, budget and KV\n"
      "dtype; then eight samples of one prompt at growing contexts. Takes the options marked so,\n"
      "--model, --policy, --dtypes, --repeats, --threads, --device and --json. See "
      "docs/benchmarks.md.";
  spec.arguments = {{"WHAT"}};
  spec.options = {
      {"model", "MODEL", "registered name or GGUF file (default smollm2-135m)"},
      {"policy", "SPEC", "policy of scan and step (default tova)"},
      plugin_option(),
      {"tokens", "N", "length of the side-by-side runs (default 4096)"},
      {"step-tokens", "N", "length of the step runs (default 192)"},
      {"budgets", "K,…", "budgets (default 64,256,1024; generate: 128,512,full)"},
      {"policies", "SPEC,…",
       "policies whose rates are compared with the first's (default window,tova,h2o,l2), or none; "
       "separated by blanks where one has options"},
      {"lengths", "N,…", "lengths of the flatness run (default 4096,16384,65536), or none"},
      {"dtypes", "D,…",
       "float32, bfloat16, float64 (default float32, and bfloat16 where CPU or device has it)"},
      {"block-rows", "N", "query rows of an attention block in the scan (default 64)"},
      {"chunk", "N", "tokens per pass through the layers in the scan (default 512)"},
      {"repeats", "N", "rounds after the warm-up (default 3)"},
      {"threads", "N", "threads (default: all cores)"},
      {"device", "NAME", "cpu (default), cuda:0, …"},
      {"batches", "N,…", "generate: samples in step (default 1,8,32)"},
      {"prompt-tokens", "N", "generate: length of a prompt (default 512)"},
      {"max-new", "N", "generate: new tokens of a sample (default 64)"},
      {"schedule", "S", "generate: when the cache is cut (default exact)"},
      {"kv-dtypes", "D,…", "generate: same (default), float32, bfloat16, int8"},
      {"contexts", "N,…", "generate: prompt lengths (default 8192,65536), or none"},
      {"json", "", "one JSON object instead of tables"}};
  spec.examples = {
      {"a quick look",
       "lethe bench exact --tokens 256 --step-tokens 16 --budgets 64 --lengths none "
       "--policies none "
       "--repeats 1"},
      {"decoding, small",
       "lethe bench generate --batches 1,4 --budgets 32 --prompt-tokens 64 --max-new 8 "
       "--contexts none --repeats 1 --dtypes float32"}};
  return spec;
}

CommandSpec generate_spec() {
  CommandSpec spec;
  spec.name = "generate";
  spec.summary = "continue a prompt under an eviction policy";
  spec.description =
      "The prompt goes through the model under the schedule, then tokens come one by one, each\n"
      "followed by the cut that the schedule asks for. The text streams to standard output; what "
      "it\n"
      "cost is told on standard error. Greedy unless a temperature is given. A token depends on "
      "the\n"
      "seed and the sample's number alone, not on the samples beside it.";
  spec.options = {
      {"model", "MODEL", "registered name, GGUF file or Hugging Face folder"},
      {"prompt", "FILE", "UTF-8 text; - is standard input"},
      {"tokens", "FILE", "token ids instead of a text; - is standard input"},
      {"chat", "FILE",
       "a conversation: JSON list of {\"role\", \"content\"}, through the model's chat template; "
       "the "
       "answer is generated"},
      {"special", "", "text of special tokens in the prompt, such as <|im_start|>, is the token"},
      {"policy", "SPEC", "eviction policy, such as tova or window:sinks=4 (default full)"},
      {"budget", "K", "tokens kept per layer, counted after eviction"},
      {"schedule", "S",
       "exact (default), block:m, post-prompt, prefill-only, every:m: when the cache is cut"},
      {"max-new", "N", "at most so many new tokens (default 256)"},
      {"stop", "TEXT", "end before this text; may be given more than once", true},
      {"ignore-end", "", "go on after the model's end tokens"},
      {"temperature", "T", "draw tokens at this temperature (default 0: greedy)"},
      {"top-k", "N", "draw from the N most likely tokens"},
      {"top-p", "P", "draw from the fewest tokens that have P of the probability"},
      {"min-p", "P", "draw from tokens at least P times as likely as the likeliest"},
      plugin_option(),
      {"seed", "N", "seed of what is drawn and of random policies (default 0)"},
      {"samples", "N", "continuations of the prompt, each drawn by its own seed (default 1)"},
      {"lanes", "N", "samples in step (default: all, up to 32)"},
      {"dtype", "D", "float32 (default), bfloat16, float64"},
      {"kv-dtype", "D", "cached keys and values: same (default), float32, bfloat16, int8"},
      {"threads", "N", "threads (default: all cores)"},
      {"device", "NAME", "cpu (default), cuda:0, …"},
      {"json", "", "one JSON object per sample instead of text"}};
  spec.examples = {
      {"with 64 tokens of memory",
       "printf 'The capital of France is' | lethe generate --model smollm2-135m --prompt - "
       "--policy tova --budget 64 --max-new 16"},
      {"an answer",
       "printf '[{\"role\": \"user\", \"content\": \"What is the capital of France?\"}]' | lethe "
       "generate --model smollm2-135m --chat - --max-new 24"},
      {"four continuations, drawn",
       "printf 'Once upon a time' | lethe generate --model smollm2-135m --prompt - --max-new 12 "
       "--temperature 0.8 --top-p 0.95 --samples 4"}};
  return spec;
}

CommandSpec trace_spec() {
  CommandSpec spec;
  spec.name = "trace";
  spec.summary = "what a policy evicts and what it costs, token by token (JSON lines)";
  spec.description =
      "One header line, then per token its NLL and the victims of every layer with the margin to\n"
      "the runner-up, in order of eviction; at the end the kept positions and a summary. The NLL\n"
      "of a token line is that of the token that follows. A text gets a BOS token where the\n"
      "model's tokenizer asks for one (see bos_added); ids from --tokens are taken as they are.";
  spec.options = {
      {"model", "MODEL", "registered name, GGUF file or Hugging Face folder"},
      {"text", "FILE", "UTF-8 text; - is standard input"},
      {"tokens", "FILE", "token ids instead of a text; - is standard input"},
      {"limit", "N", "only the first N tokens (BOS included)"},
      {"policy", "SPEC", "eviction policy, such as tova or window:sinks=4 (default full)"},
      {"budget", "K", "tokens kept per layer, counted after eviction"},
      {"schedule", "S",
       "exact (default), block:m, post-prompt, prefill-only: when the cache is cut"},
      {"prompt", "N", "tokens of the prompt, after which post-prompt and prefill-only cut"},
      {"positions", "P",
       "original (default), cache-relative, compressed, compressed-paper (those by --path step)"},
      {"dtype", "D", "float32 (default), bfloat16, float64"},
      {"path", "P", "scan (default): layer by layer; step: token by token, the definition"},
      plugin_option(),
      {"seed", "N", "seed of random policies (default 0)"},
      {"threads", "N", "threads (default: all cores)"},
      {"device", "NAME", "cpu (default), cuda:0, …"},
      {"out", "FILE", "where the lines go (default -: standard output)"}};
  spec.examples = {
      {"what TOVA drops with 16 places",
       "printf 'In the beginning the river was wide, and those who drank of it forgot the way.' | "
       "lethe trace --model smollm2-135m --text - --policy tova --budget 16 --out trace.jsonl"},
      {"the same by the definition, token by token, from ids",
       "echo '504 7563 282 34864' | lethe trace --model smollm2-135m --tokens - --policy window "
       "--budget 2 --path step"}};
  return spec;
}

CommandSpec attention_spec() {
  CommandSpec spec;
  spec.name = "attention";
  spec.summary =
      "what the memory of a recurrent model attends to: where it writes, keeps and reads";
  spec.description =
      "Runs one sample of a memory task through a model with recurrent memory and draws the\n"
      "attention of [CLS] and of the memory tokens in three segments: the one with the fact (the\n"
      "memory writes), one after it without (it keeps), and the last (the question reads). "
      "Columns\n"
      "are the memory, the words of the fact or question, the rest of the text and the special "
      "tokens; mean over\n"
      "heads unless --head names one (Figure 4 of arXiv 2304.11062). Writes write, keep and read "
      "as\n"
      "SVG and PNG, and attention.json with the numbers.";
  spec.options = {
      {"model", "MODEL", "registered name or folder (default rmt-detect-1)"},
      {"task", "NAME", "memorise, detect or reasoning (default: what it was trained for)"},
      {"segments", "N", "of the sample (default 4)"},
      {"segment", "N", "text tokens of a segment (default: the checkpoint's)"},
      {"sample", "N", "number of the sample (default 0)"},
      {"layer", "N", "from 0 (default: the last)"},
      {"head", "N", "from 0 (default: mean over heads)"},
      {"confusers", "P", "hard negatives, share of tokens (default 0.0005)"},
      {"out", "DIR", "folder of the maps (default attention)"}};
  spec.examples = {
      {"maps of the shipped checkpoint", "lethe attention --segments 4 --out attention"}};
  return spec;
}

CommandSpec namm_spec() {
  CommandSpec spec;
  spec.name = "namm";
  spec.summary =
      "what an evolved memory (policy namm) keeps of a text, and what its scores depend on";
  spec.description =
      "Runs one text under policy namm and draws the analyses of arXiv 2410.13166: tokens kept "
      "after\n"
      "every update and their age by layer (cache), the share of each kind of token that is kept "
      "by\n"
      "layer (kinds), scores over the text (scores), and how much a score changes with each of "
      "the 25\n"
      "features, a token's own and those of others (features). SVG and PNG, and namm.json with "
      "all numbers.";
  spec.options = {
      {"weights", "NAME", "of data/checkpoints, or a file (default namm-recall-1)"},
      {"model", "MODEL", "registered name, GGUF file or folder (default recall)"},
      {"text", "FILE", "UTF-8 text (default: a sample of task recall)"},
      {"length", "N", "tokens (default 512; of a text at most, 1024)"},
      {"sample", "N", "number of the sample of recall (default 0)"},
      {"budget", "K", "most tokens that a head keeps (default: the network alone decides)"},
      {"dtype", "D", "float32 (default), bfloat16, float64"},
      {"out", "DIR", "folder of plots and numbers (default namm)"}};
  spec.examples = {{"the shipped network on key-value recall",
                    "lethe namm --weights namm-recall-1 --budget 96 --out namm"}};
  return spec;
}

CommandSpec train_spec() {
  CommandSpec spec;
  spec.name = "train";
  spec.summary = "train a model with recurrent memory, or evolve an evicting one (NAMM)";
  spec.description =
      "train rmt: an encoder with recurrent memory (arXiv 2304.11062) by a recipe: a curriculum "
      "of\n"
      "segments and of their length, hard negatives, back-propagation through all segments; or a\n"
      "decoder, for the tasks of the first paper (arXiv 2207.06881): recipe copy. The\n"
      "result does not depend on the number of threads. A run that was stopped (Ctrl-C, a kill) "
      "goes\n"
      "on with the same command, to the same bits. --db keeps the learning curves: views trainings "
      "and\n"
      "curves, `lethe report learning`. See docs/rmt.md.\n\n"
      "train namm: parameters of policy namm (arXiv 2410.13166), evolved by a recipe on worker\n"
      "processes: stages of tasks, a population scored on the same prompts, the mean selected on\n"
      "others. Leaves namm.json, last.json and generations.jsonl. See docs/namm.md.";
  spec.arguments = {{"WHAT"}};
  spec.options = {
      {"recipe", "NAME", "of data/rmt/recipes (data/namm/recipes), or a JSON file"},
      {"seed", "N", "of weights or members, samples and order (default 1)"},
      {"out", "DIR", "folder of the result and of what an unfinished run goes on from"},
      {"backbone", "DIR", "rmt: train this pretrained BERT instead of what the recipe names"},
      {"db", "FILE", "result database that takes the learning curves (default: none)"},
      {"keep-stages", "", "rmt: also a checkpoint of every stage, DIR/stages/NAME"},
      {"state-seconds", "N", "rmt: how often an unfinished run saves its state (default 60)"},
      {"threads", "N", "threads (default: all cores; namm: of each worker)"},
      {"workers", "N", "namm: worker processes per device (default 1)"},
      {"dtype", "D", "namm: of the model: float32 (default), bfloat16, float64"},
      {"device", "NAME", "cpu (default), cuda:0, …; namm: a list, over which workers are spread"}};
  spec.examples = {{"a memory of four tokens over three short segments, in seconds",
                    "lethe train rmt --recipe smoke --seed 1 --out report/rmt-smoke"},
                   {"two generations of a population of four, in seconds",
                    "lethe train namm --recipe smoke --seed 1 --out report/namm-smoke"}};
  return spec;
}

}  // namespace lethe::cli
