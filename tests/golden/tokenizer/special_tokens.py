# SPDX-License-Identifier: Apache-2.0
"""Writes special_tokens.jsonl: which special tokens and which chat template transformers takes from
the files of a folder. Needs transformers 5.2.0 (`./lethe bench generate` installs it for its peers):

    python special_tokens.py > special_tokens.jsonl

Each line: `files` (beside json/llama2/tokenizer.json), then `bos_id` and `eos_id` (null: none) and
`rendered`, a conversation through the template; under `tools`, one that may use tools.
"""
import json
import pathlib
import shutil
import sys
import tempfile

import transformers

HERE = pathlib.Path(__file__).parent
TEMPLATE = "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}"
DECODER = {"1": {"content": "<s>", "special": True}, "2": {"content": "</s>", "special": True}}
BOTH = {"bos_token": "<s>", "eos_token": "</s>"}
SWAPPED = {"bos_token": "</s>", "eos_token": {"content": "<s>", "lstrip": False}}
MESSAGES = [{"role": "user", "content": "x"}]
LIST = [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]

# tokenizer_config.json, special_tokens_map.json, chat_template.jinja
CASES = [
    (config | decoder, tokens, None)
    for config, tokens in [
        (BOTH, None),
        (BOTH, SWAPPED),
        ({}, SWAPPED),
        (BOTH, {"bos_token": None}),
        ({"bos_token": None, "eos_token": "</s>"}, {"bos_token": "<s>"}),
        (BOTH, {"pad_token": "<unk>", "bos_token": "a"}),
        ({"bos_token": "<s>", "unk_token": {"__type": "AddedToken", "content": "<unk>"}},
         {"pad_token": "</s>"}),
        (BOTH, {"chat_template": "map"}),
    ]
    for decoder in ({}, {"added_tokens_decoder": DECODER}, {"added_tokens_decoder": {}})
] + [
    ({"chat_template": LIST}, None, None),
    ({"chat_template": LIST}, None, "f"),
    ({"chat_template": LIST}, {"chat_template": "map"}, "f"),
    ({"chat_template": None}, None, "f"),
    (BOTH, {"chat_template": None}, "f{{ bos_token }}"),
]


def write(path, value):
    path.write_text(json.dumps(value))


def tokenizer_of(config, tokens, template):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(HERE / "json/llama2/tokenizer.json", folder)
        write(folder / "config.json", {"model_type": "llama"})
        write(folder / "tokenizer_config.json", config)
        if tokens is not None:
            write(folder / "special_tokens_map.json", tokens)
        if template is not None:
            (folder / "chat_template.jinja").write_text(template)
        return transformers.AutoTokenizer.from_pretrained(folder)


def main():
    assert transformers.__version__ == "5.2.0", transformers.__version__
    for config, tokens, template in CASES:
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE} | config
        files = {"tokenizer_config.json": config}
        if tokens is not None:
            files["special_tokens_map.json"] = tokens
        if template is not None:
            files["chat_template.jinja"] = template
        tokenizer = tokenizer_of(config, tokens, template)
        case = {"files": files, "bos_id": tokenizer.bos_token_id, "eos_id": tokenizer.eos_token_id}
        if tokenizer.chat_template is not None:
            for name, tools in (("rendered", None), ("tools", [])):
                case[name] = tokenizer.apply_chat_template(MESSAGES, tools=tools, tokenize=False)
        json.dump(case, sys.stdout)
        print()


main()
