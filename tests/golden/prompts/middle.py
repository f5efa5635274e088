# SPDX-License-Identifier: Apache-2.0
"""Makes middle.jsonl: prompts of shipped LongBench records, cut as pred.py of LongBench does.

    pip install tokenizers==0.22.2; python tests/golden/prompts/middle.py   (in the repository root)
"""
import hashlib
import json
import lzma

from tokenizers import Tokenizer

RECORDS = ["hotpotqa", "multifieldqa_zh", "samsum", "passage_retrieval_zh", "trec"]
TOKENIZERS = ["smollm", "llama2", "llama3", "mistral", "qwen2", "unigram_bytes"]
LIMITS = [33, 256, 2000]


def filled(task, record):
    path = f"data/tasks/longbench-{task}.json"
    template = json.load(open(path, encoding="utf-8"))["prompt"]
    return template.replace("{context}", record["context"]).replace("{input}", record["input"])


with open("tests/golden/prompts/middle.jsonl", "w", encoding="utf-8") as out:
    for task in RECORDS:
        with lzma.open(f"data/samples/longbench-mini/{task}.jsonl.xz", "rt", encoding="utf-8") as f:
            record = json.loads(f.readline())
        prompt = filled(task, record)
        for name in TOKENIZERS:
            tokenizer = Tokenizer.from_file(f"tests/golden/tokenizer/json/{name}/tokenizer.json")
            whole = tokenizer.encode(prompt).ids
            for limit in LIMITS:
                text = prompt
                if len(whole) > limit:
                    half = int(limit / 2)
                    text = tokenizer.decode(whole[:half], skip_special_tokens=True) + tokenizer.decode(
                        whole[-half:], skip_special_tokens=True)
                ids = tokenizer.encode(text).ids
                out.write(json.dumps({
                    "task": task, "id": record["_id"], "tokenizer": name, "limit": limit,
                    "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
                    "whole": len(whole), "tokens": len(ids),
                    "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
                    "ids_sha256": hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest(),
                    "last_ids": ids[-8:]}) + "\n")
