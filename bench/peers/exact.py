# SPDX-License-Identifier: Apache-2.0
"""Times Lethe's exact scan against PyTorch transformers on one text: see run.sh."""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import time

import torch
from transformers.cache_utils import DynamicCache

from peers import book_ids, gguf_path, load_model


@torch.inference_mode()
def dense(model, ids):
    """One full-attention forward; returns seconds and the mean NLL."""
    start = time.perf_counter()
    logits = model(ids[None]).logits[0, :-1].float()
    nll = torch.nn.functional.cross_entropy(logits, ids[1:])
    return time.perf_counter() - start, nll.item()


@torch.inference_mode()
def tova_loop(model, ids, budget):
    """Token by token; after each token every layer drops the cached token with the lowest head-mean
    attention of the newest query once it holds more than `budget` (TOVA, Alg. 1)."""
    model.set_attn_implementation("eager")  # the only one that returns attention weights
    cache = DynamicCache()
    total, count = 0.0, 0
    start = time.perf_counter()
    for t in range(len(ids) - 1):
        out = model(
            ids[t].view(1, 1),
            past_key_values=cache,
            position_ids=torch.tensor([[t]]),
            cache_position=torch.tensor([t]),
            output_attentions=True,
            use_cache=True,
        )
        for layer, weights in zip(cache.layers, out.attentions):
            live = layer.keys.shape[2]
            if live > budget:
                victim = int(weights[0, :, -1].float().mean(0).argmin())
                keep = [i for i in range(live) if i != victim]
                layer.keys = layer.keys[:, :, keep]
                layer.values = layer.values[:, :, keep]
        total += torch.nn.functional.cross_entropy(out.logits[0, -1:].float(), ids[t + 1 : t + 2]).item()
        count += 1
    seconds = time.perf_counter() - start
    model.set_attn_implementation("sdpa")
    return seconds, total / count


def lethe_trace(lethe, ids_file, limit, policy, budget, dtype):
    """Lethe on the same ids; seconds and mean NLL from its own summary line."""
    command = [lethe, "trace", "--model", "smollm2-135m", "--tokens", str(ids_file), "--limit", str(limit),
               "--policy", policy, "--budget", str(budget), "--dtype", dtype, "--out", "-"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    summary = json.loads(lines[-1])
    return summary["seconds"], summary["mean_nll"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lethe", required=True)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--loop-tokens", type=int, default=512)
    parser.add_argument("--budget", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    args = parser.parse_args()

    ids = book_ids(args.lethe, args.root, args.tokens)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    ids_file = args.out.parent / "ids.txt"
    ids_file.write_text(" ".join(map(str, ids.tolist())))
    model = load_model(gguf_path(args.root), getattr(torch, args.dtype))
    loop_ids = ids[: args.loop_tokens]

    # In turn, so that a machine that slows down slows all of them; the first round warms up.
    rounds = []
    for i in range(args.repeats + 1):
        scan_s, scan_nll = lethe_trace(args.lethe, ids_file, args.tokens, "tova", args.budget, args.dtype)
        short_s, short_nll = lethe_trace(args.lethe, ids_file, args.loop_tokens, "tova", args.budget, args.dtype)
        dense_s, dense_nll = dense(model, ids)
        loop_s, loop_nll = tova_loop(model, loop_ids, args.budget)
        if i > 0:
            rounds.append({"scan": args.tokens / scan_s, "dense": args.tokens / dense_s, "loop": args.loop_tokens / loop_s})
    if args.dtype == "float32" and not math.isclose(short_nll, loop_nll, abs_tol=3e-3):
        raise SystemExit(f"the loop is not the same evaluation: mean NLL {loop_nll} against {short_nll}")

    median = lambda values: statistics.median(values)
    report = {
        "threads": torch.get_num_threads(), "torch": torch.__version__, "dtype": args.dtype,
        "tokens": args.tokens, "loop_tokens": args.loop_tokens, "budget": args.budget, "repeats": args.repeats,
        "lethe_scan_tokens_per_s": median(r["scan"] for r in rounds),
        "transformers_dense_tokens_per_s": median(r["dense"] for r in rounds),
        "transformers_tova_loop_tokens_per_s": median(r["loop"] for r in rounds),
        "scan_over_dense": median(r["scan"] / r["dense"] for r in rounds),
        "scan_over_loop": median(r["scan"] / r["loop"] for r in rounds),
        "mean_nll": {"lethe_tova": scan_nll, "lethe_tova_short": short_nll, "loop_tova": loop_nll, "dense": dense_nll},
        "rounds": rounds,
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"{args.dtype}, {args.tokens} tokens, TOVA budget {args.budget}, {report['threads']} threads")
    print(f"  Lethe exact scan           {report['lethe_scan_tokens_per_s']:8.1f} tokens/s")
    print(f"  transformers dense forward {report['transformers_dense_tokens_per_s']:8.1f} tokens/s   scan is {report['scan_over_dense']:.2f}x")
    print(f"  transformers TOVA loop     {report['transformers_tova_loop_tokens_per_s']:8.1f} tokens/s   scan is {report['scan_over_loop']:.1f}x")
    print(f"  mean NLL of the loop's {args.loop_tokens} tokens: loop {loop_nll:.5f}, Lethe {short_nll:.5f}")


if __name__ == "__main__":
    main()
