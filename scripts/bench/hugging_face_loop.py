"""Tokens per second that Hugging Face's ``generate`` draws from a GPT-2, with its static cache.

    python scripts/bench/hugging_face_loop.py BATCH_SIZE NEW_TOKENS SEED

It needs transformers; scripts/bench/generation.py makes an environment that holds it.
"""

import sys
import time
import warnings

import torch
from transformers import GPT2Config, GPT2LMHeadModel  # pyright: ignore[reportMissingImports]

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 4, 128, 4, 640, 65
WARM_UP = 16


def main(batch_size: int, new_tokens: int, seed: int) -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    prompt = torch.zeros(batch_size, 1, dtype=torch.int64)

    def generate(num: int) -> None:
        drawn = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=True,
            top_k=0,
            min_new_tokens=num,
            max_new_tokens=num,
            cache_implementation="static",
        )
        assert drawn.shape == (batch_size, 1 + num)

    generate(WARM_UP)
    start = time.perf_counter()
    generate(new_tokens)
    print("tokens/s", batch_size * new_tokens / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:4]))
