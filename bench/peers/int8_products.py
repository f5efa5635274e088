# SPDX-License-Identifier: Apache-2.0
"""Times the weight products of one decoding step of SmolLM2-135M: bfloat16 beside int8 weights with a scale per output
(torch._weight_int8pack_mm, the only int8 weight-only product LibTorch has for CPUs), by rows. Why Lethe has no int8
weights: see docs/benchmarks.md. Run with the environment of env.sh: $env/bin/python bench/peers/int8_products.py"""

import time

import torch

LAYERS, HIDDEN, QKV, MLP, VOCAB = 30, 576, 960, 1536, 49152
REPEATS = 7


def weights():
    shapes = [(HIDDEN, QKV), (HIDDEN, HIDDEN), (HIDDEN, 2 * MLP), (MLP, HIDDEN)] * LAYERS + [(HIDDEN, VOCAB)]
    return [torch.randn(outputs, inputs) for inputs, outputs in shapes]


def quantised(weight):
    scale = weight.abs().amax(1) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale.bfloat16()


def seconds(products):
    """Best of some, after one that warms up."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        products()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main():
    plain = weights()
    bfloat16 = [weight.bfloat16() for weight in plain]
    int8 = [quantised(weight) for weight in plain]
    print(f"{torch.__version__}, {torch.get_num_threads()} threads; milliseconds of a step's weight products")
    print(f"{'rows':>6}{'bfloat16':>10}{'int8':>10}{'ratio':>8}")
    for rows in (1, 8, 16, 32):
        inputs = [torch.randn(rows, weight.shape[1]).bfloat16() for weight in plain]
        wide = seconds(lambda: [torch.nn.functional.linear(x, w) for x, w in zip(inputs, bfloat16)])
        narrow = seconds(lambda: [torch._weight_int8pack_mm(x, w, s) for x, (w, s) in zip(inputs, int8)])
        print(f"{rows:>6}{1e3 * wide:>10.1f}{1e3 * narrow:>10.1f}{wide / narrow:>8.2f}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
