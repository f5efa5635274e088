# SPDX-License-Identifier: Apache-2.0
"""Writes spm_options/NAME.model and spm_options/NAME.jsonl: small SentencePiece models with the
options that decide ids, trained on a shipped PG-19 book (public domain), and what the library makes
of texts. Needs the PyPI package sentencepiece 0.2.3:

    python sentencepiece_options.py

First line of NAME.jsonl: the `options`, and the `pieces` as [text, score, kind of token in GGUF
files]. Then lines of `text`, `ids` (no BOS), and `decoded` where no piece is unknown (an unknown one
is written in other words by every tool).
"""
import json
import pathlib
import sys

import sentencepiece

HERE = pathlib.Path(__file__).parent
BOOK = HERE.parents[2] / "data/samples/pg19/12204.txt"

COMMON = dict(vocab_size=420, character_coverage=0.999, num_threads=1, minloglevel=2)
PLAIN = dict(COMMON, normalization_rule_name="identity")
EXACT = dict(PLAIN, remove_extra_whitespaces=False)
MODELS = {
    "bpe_unknown": dict(EXACT, model_type="bpe"),
    "bpe_unknown_bare": dict(EXACT, model_type="bpe", add_dummy_prefix=False),
    "bpe_bytes_bare": dict(EXACT, model_type="bpe", byte_fallback=True, add_dummy_prefix=False),
    "bpe_bytes_spaces": dict(EXACT, model_type="bpe", byte_fallback=True, vocab_size=460,
                             allow_whitespace_only_pieces=True, split_digits=True),
    "bpe_symbols": dict(EXACT, model_type="bpe", user_defined_symbols=["<sep>", "ing", "  "],
                        control_symbols=["<|turn|>"]),
    "bpe_normalized": dict(COMMON, model_type="bpe"),  # nmt_nfkc
    "bpe_trimmed_bare": dict(PLAIN, model_type="bpe", add_dummy_prefix=False, byte_fallback=True),
    "unigram_trimmed": dict(PLAIN, model_type="unigram"),
    "unigram_bare": dict(EXACT, model_type="unigram", add_dummy_prefix=False),
    "unigram_suffix": dict(PLAIN, model_type="unigram", treat_whitespace_as_suffix=True),
}
TEXTS = [
    "", " ", "   ", "a", " a", "  a", "a ", "a  ", " a b ", "  two  words   three    ", "\n", "\t", "a\n\nb",
    " \n ", "a \t b", "The quick brown fox jumps over the lazy dog.", "walking and talking", "ing  ing<sep>ing",
    "x<sep>y", " <sep> ", "<|turn|>a", "<s>a</s>", "<unk>", "<0x41>", "1234567", "1 23 456", "don't stop!!",
    "\u4e2d\u6587", "a\u4e2db", "\u4e2d \u6587", "\u4e2d\u6587\u5b57 end", "caf\u00e9 cafe\u0301", "\u00c4rger \u00df",
    "\U0001f600", "hi\U0001f600\U0001f600hi", "\u2581", "\u2581a", "a\u2581b", "\u2581\u2581", " \u2581 ",
    "\uff21\uff22\uff23 \uff11", "\ufb01ne", "\u00a0a\u00a0b", "a\u3000b", "\u200ba", "\u00bd \u2460", "e\u0301\u0301",
    "\x01\x02", "a\x7fb", "\u0915\u094d\u0937", "@@@###", "~`^|\\", "aaaaaaaaaaaaaaaaaaaaaaaa", " " * 40, "ab" * 30,
    "What   is\u2003this?", "Mr. Smith's \"house\" (1850)", "AND THE LORD SAID", "zqxj kvwz",
]


def kind_of(model, piece):
    """As llama.cpp numbers them."""
    if model.IsUnknown(piece):
        return 2
    if model.IsControl(piece):
        return 3
    if model.IsByte(piece):
        return 6
    return 4 if model.IdToPiece(piece) in ("<sep>", "ing", "\u2581\u2581") and piece < 8 else 1


def main():
    assert sentencepiece.__version__ == "0.2.3", sentencepiece.__version__
    book = BOOK.read_text(encoding="utf-8")[:200_000]
    paragraphs = [line for line in book.split("\n") if line]
    # Beside the texts: parts of the book that were not trained on.
    rest = BOOK.read_text(encoding="utf-8")[200_000:]
    texts = TEXTS + [rest[i : i + 150] for i in range(0, 4000, 500)]
    folder = HERE / "spm_options"
    folder.mkdir(exist_ok=True)
    for name, options in MODELS.items():
        path = folder / f"{name}.model"
        with path.open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(paragraphs), model_writer=file, **options)
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        with (folder / f"{name}.jsonl").open("w") as file:
            pieces = [[model.IdToPiece(i), model.GetScore(i), kind_of(model, i)] for i in range(len(model))]
            json.dump({"options": options, "pieces": pieces}, file)
            for text in texts:
                ids = model.encode(text)
                case = {"text": text, "ids": ids}
                if model.unk_id() not in ids:
                    case["decoded"] = model.decode(ids)
                file.write("\n" + json.dumps(case))
            file.write("\n")


main()
