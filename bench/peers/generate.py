# SPDX-License-Identifier: Apache-2.0
"""Times Lethe's decoding against transformers and llama.cpp on one model: see generate.sh."""

import argparse
import json
import pathlib
import statistics
import subprocess
import time

import torch

from peers import book_ids, gguf_path, load_model


@torch.inference_mode()
def transformers_rate(model, ids, batch, prompt, new):
    """Tokens a second of generate() after the prompt: the time of one token is taken off."""
    inputs = ids[: batch * prompt].view(batch, prompt)
    mask = torch.ones_like(inputs)

    def seconds(count):
        start = time.perf_counter()
        model.generate(inputs, attention_mask=mask, do_sample=False, min_new_tokens=count, max_new_tokens=count,
                       pad_token_id=0)
        return time.perf_counter() - start

    seconds(2)  # warm-up of these shapes
    prefill = seconds(1)
    return batch * (new - 1) / (seconds(new) - prefill)


def llama_rates(llama, gguf, batches, prompt, new, threads):
    """Tokens a second of generation by batch."""
    context = max(batches) * (prompt + new)
    command = [llama, "-m", str(gguf), "-c", str(context), "-b", "2048", "-ub", "512", "-npp", str(prompt), "-ntg", str(new),
               "-npl", ",".join(map(str, batches)), "-t", str(threads), "-tb", str(threads), "--output-format", "jsonl"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {row["pl"]: row["speed_tg"] for row in rows}


def lethe_rates(lethe, args, dtype, kv_dtype, budget):
    """Tokens a second of decoding by batch."""
    command = [lethe, "bench", "generate", "--batches", args.batches, "--budgets", budget, "--prompt-tokens", str(args.prompt),
               "--max-new", str(args.new), "--dtypes", dtype, "--kv-dtypes", kv_dtype, "--contexts", "none", "--repeats", "1",
               "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {row["batch"]: row["decode_tokens_per_s"] for row in report["batches"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lethe", required=True)
    parser.add_argument("--llama", required=True)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--budget", default="512")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--kv-dtypes", default="same")
    args = parser.parse_args()
    batches = [int(x) for x in args.batches.split(",")]
    gguf = gguf_path(args.root)
    ids = book_ids(args.lethe, args.root, max(batches) * args.prompt)
    models = {dtype: load_model(gguf, getattr(torch, dtype)) for dtype in args.dtypes.split(",")}

    # In turn, so that a machine that slows down slows all of them.
    rates = {}

    def record(who, by_batch):
        for batch, rate in by_batch.items():
            rates.setdefault(who, {}).setdefault(batch, []).append(rate)

    for _ in range(args.repeats):
        record("llama.cpp Q4_1", llama_rates(args.llama, gguf, batches, args.prompt, args.new, torch.get_num_threads()))
        for dtype, model in models.items():
            for kv_dtype in args.kv_dtypes.split(","):
                name = f"Lethe {dtype}" + ("" if kv_dtype == "same" else f", KV {kv_dtype}")
                record(name, lethe_rates(args.lethe, args, dtype, kv_dtype, args.budget))
            record(f"transformers {dtype}",
                   {batch: transformers_rate(model, ids, batch, args.prompt, args.new) for batch in batches})

    median = {who: {batch: statistics.median(values) for batch, values in by.items()} for who, by in rates.items()}
    report = {"threads": torch.get_num_threads(), "torch": torch.__version__, "prompt": args.prompt, "new": args.new,
              "budget": args.budget, "repeats": args.repeats, "decode_tokens_per_s": median, "rounds": rates}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"decoding, tokens/s: prompt {args.prompt}, {args.new} new, Lethe's budget {args.budget}, {report['threads']} threads")
    print(f"  {'batch':<32}" + "".join(f"{batch:>9}" for batch in batches))
    for who, by in median.items():
        print(f"  {who:<32}" + "".join(f"{by[batch]:9.1f}" for batch in batches))
    print("largest less smallest round, of the median")
    for who, by in rates.items():
        spreads = [(max(by[batch]) - min(by[batch])) / median[who][batch] for batch in batches]
        print(f"  {who:<32}" + "".join(f"{spread:9.1%}" for spread in spreads))


if __name__ == "__main__":
    main()
