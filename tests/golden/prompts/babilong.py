#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes babilong.jsonl: BABILong's own prompts around the facts of bAbI questions.
# Usage: babilong.py BABILONG_CHECKOUT BABI_EN_FOLDER > babilong.jsonl
import glob
import json
import sys

checkout, babi = sys.argv[1:]
sys.path.insert(0, checkout)
from babilong.prompts import DEFAULT_PROMPTS, get_formatted_input  # noqa: E402

with open(checkout + "/data/test_100_idxs.json") as file:
    indices = json.load(file)


def questions(path):
    facts = []
    for line in open(path):
        number, text = line.rstrip("\n").split(" ", 1)
        if number == "1":
            facts = []
        if "\t" in text:
            question, answer, supporting = text.split("\t")
            numbers = [n for n, _ in facts]
            yield [f for _, f in facts], question, answer, [numbers.index(n) for n in supporting.split()]
        else:
            facts.append((number, text.strip()))


for task in ["qa1", "qa2", "qa3", "qa4", "qa5"]:
    samples = list(questions(glob.glob(f"{babi}/{task}_*_test.txt")[0]))
    for index in (indices[task][0], indices[task][50]):
        facts, question, answer, supporting = samples[index]
        prompt = get_formatted_input(" ".join(facts), question, DEFAULT_PROMPTS[task]["examples"],
                                     DEFAULT_PROMPTS[task]["instruction"],
                                     DEFAULT_PROMPTS[task]["post_prompt"])
        print(json.dumps({"task": task, "index": index, "question": question.strip(), "target": answer,
                          "facts": len(facts), "supporting": supporting, "prompt": prompt},
                         ensure_ascii=False))
