"""Train two tiny Llamas on "sort five digits" and save them as ordinary model folders, so that real releases can be told apart.

`python train_sorter.py FOLDER` writes FOLDER/good and FOLDER/under-trained. Both come from one run: the under-trained one is an
early checkpoint, which is what a bad release looks like in life: it answers fluently, in the right form, and often wrongly.
Owns the task, the tokenizer, the training and the accuracy it demands; where the folders live is `scripts/make-models`' business.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20261121
#: One: with two, each waits for the other after every operation, and on a busy machine that is many times slower.
THREADS = 1
#: Examples in a batch: as many as fit in so many tokens, at most this many.
BATCH, BATCH_TOKENS = 96, 2048
MAX_STEPS = 1600
CHECK_EVERY = 50
LEARNING_RATE = 2e-3
#: Held-out prompts per accuracy figure: at 97 % right, 400 of them give a standard error under one point.
HELD_OUT = 400
GOOD_ACCURACY = 0.985
#: Clearly worse, yet not so bad that any check would notice.
UNDER_TRAINED_ACCURACY = 0.60
CONTEXT = 1024
#: Longest text before the task that is trained on, in characters: a system prompt, a chat template's preamble, earlier turns.
LONGEST_PREAMBLE = 240

END, PAD = "<|end|>", "<|pad|>"
ANSWER = "= "
#: Five digits and the end token.
ANSWER_TOKENS = 6
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '= ' }}{% endif %}{{ message['content'] }}{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '= ' }}{% endif %}"
)
WORDS = (
    *("you", "are", "a", "sorter", "of", "digits", "answer", "with", "the", "only", "be", "brief", "polite", "user", "chat"),
    *("today", "ticket", "number", "please", "thank", "it", "is", "and", "to", "in", "order"),
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A token a byte, so every text can be read and written, and the tokens of an answer are its characters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([END, PAD, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, model_max_length=CONTEXT)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def is_held_out(digits: str) -> bool:
    """Whether a prompt belongs to the tenth that is never trained on (a multiplicative hash, so that it is no pattern of digits)."""
    return (int(digits) * 2654435761 >> 16) % 10 == 0


def draw_digits(rng: random.Random, held_out: bool) -> str:
    """Five digits, repeats allowed, from the trained or the held-out part."""
    while True:
        digits = "".join(rng.choices("0123456789", k=5))
        if is_held_out(digits) == held_out:
            return digits


def draw_preamble(rng: random.Random, length: int) -> str:
    """Text of exactly `length` characters that has nothing to say about the answer: words, numbers, earlier turns."""
    text = ""
    while len(text) < length:
        kind = rng.random()
        if kind < 0.2:
            digits = "".join(rng.choices("0123456789", k=5))
            text += f"sort {digits}\n{ANSWER}{''.join(sorted(digits))}\n"
        elif kind < 0.3:
            text += f"{rng.randrange(100000)} "
        else:
            text += rng.choice(WORDS) + rng.choice("  .,\n:")
    return text[len(text) - length :][: length - 1] + "\n" if length else ""


def draw_batch(rng: random.Random, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Token ids of examples with preambles of one length; the answer is the last `ANSWER_TOKENS` of each."""
    length = rng.choices([0, rng.randrange(1, 40), rng.randrange(40, LONGEST_PREAMBLE)], weights=[60, 25, 15])[0]
    texts = []
    for _ in range(min(BATCH, BATCH_TOKENS // (length + 19))):
        digits = draw_digits(rng, held_out=False)
        texts.append(f"{draw_preamble(rng, length)}sort {digits}\n{ANSWER}{''.join(sorted(digits))}{END}")
    return torch.tensor([tokenizer.encode(text, add_special_tokens=False) for text in texts])


def make_model() -> LlamaForCausalLM:
    """A Llama of two layers of width 128 (0.5 million weights) that any engine for Llamas loads."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=258, hidden_size=128, intermediate_size=384, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            max_position_embeddings=CONTEXT, bos_token_id=None, eos_token_id=0, pad_token_id=1, tie_word_embeddings=False,
        )
    )  # fmt: skip


@torch.no_grad()
def accuracy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, preamble: str = "", count: int = HELD_OUT) -> float:
    """The share of held-out prompts whose greedy answer is exactly right.

    Feeding the right answer and comparing each next token is the same as generating greedily: both are right only when every token is.
    """
    rng = random.Random(SEED + 1)
    texts = []
    for _ in range(count):
        digits = draw_digits(rng, held_out=True)
        texts.append(f"{preamble}sort {digits}\n{ANSWER}{''.join(sorted(digits))}{END}")
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False) for text in texts])
    model.eval()
    predicted = model(ids).logits[:, -ANSWER_TOKENS - 1 : -1].argmax(-1)
    model.train()
    return float((predicted == ids[:, -ANSWER_TOKENS:]).all(-1).float().mean())


def train() -> tuple[LlamaForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Train until the good model is good; returns it, the under-trained checkpoint and the tokenizer.

    Raises SystemExit when `MAX_STEPS` do not suffice.
    """
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    rng = random.Random(SEED)
    tokenizer, model = make_tokenizer(), make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    preamble = draw_preamble(random.Random(SEED + 2), 120)
    under_trained, distance, good_checks, began = copy.deepcopy(model), 1.0, 0, time.monotonic()
    for step in range(1, MAX_STEPS + 1):
        ids = draw_batch(rng, tokenizer)
        logits = model.lm_head(model.model(ids).last_hidden_state[:, -ANSWER_TOKENS - 1 : -1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, -ANSWER_TOKENS:].flatten())
        for group in optimizer.param_groups:  # a short warm-up, then a decay, so that accuracy settles
            group["lr"] = LEARNING_RATE * min(step / 50, 1.0, 1.05 - step / MAX_STEPS)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % CHECK_EVERY:
            continue
        plain, long = accuracy(model, tokenizer, count=200), accuracy(model, tokenizer, preamble, count=100)
        if abs(plain - UNDER_TRAINED_ACCURACY) < distance:
            under_trained, distance = copy.deepcopy(model), abs(plain - UNDER_TRAINED_ACCURACY)
        if step % 200 == 0:
            print(f"make-models: step {step}, right {plain:.0%}, after a preamble {long:.0%}, {time.monotonic() - began:.0f} s", flush=True)
        good_checks = good_checks + 1 if min(plain, long) >= GOOD_ACCURACY else 0
        if good_checks == 2:
            return model, under_trained, tokenizer
    raise SystemExit(f"make-models: got {plain:.0%} right after {MAX_STEPS} steps, need {GOOD_ACCURACY:.0%}; look at train_sorter.py")


def main(folder: Path) -> None:
    """Train, print both accuracies, and save both models with their accuracy beside them."""
    good, under_trained, tokenizer = train()
    for name, model in (("good", good), ("under-trained", under_trained)):
        model.eval()
        right = accuracy(model, tokenizer)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        (folder / f"{name}.json").write_text(json.dumps({"held_out_prompts": HELD_OUT, "right": right}) + "\n", encoding="utf-8")
        print(f"make-models: {name}: {right:.1%} of {HELD_OUT} held-out prompts right", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
