"""Tokens per second of text: drawn, with and without a cache and by Hugging Face; and trained on, against a bare loop.

    make bench [ARGS="--pairs 5"]
    python scripts/bench/generation.py --hugging-face ENVIRONMENT     # one that holds transformers

One size in all: 4 layers, 128 wide, 4 heads, a context of 640. Hugging Face's is a GPT-2 of that size with its static
cache, in an environment of its own below the user's cache folder; where that fails, its rows are left out and the
reason printed.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import bare_language
import torch
from environments import environment, rate
from throughput import in_turns, rate_of, ratio

from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.data.texts.text import FromCharacters, Text
from genloom.distributions.outputs.categorical import Categorical
from genloom.models.sequence import SequenceModel
from genloom.networks.sequence.continuation import generate
from genloom.networks.sequence.language import Language
from genloom.objectives.sequence import NegativeLogLikelihood
from genloom.samplers.tokens import Tokens
from genloom.spec import Spec

VOCABULARY = 65  # as in scripts/bench/hugging_face_loop.py
WARM_UP = 16


def network(seed: int) -> Language:
    """Return the network, its weights at random."""
    torch.manual_seed(seed)
    symbols = "".join(map(chr, range(ord("A"), ord("A") + VOCABULARY)))
    spec = Spec("bench", TextContent(bare_language.CONTEXT, Characters(symbols)))
    return bare_language.network(spec, outputs=VOCABULARY).eval()


def cached(batch_size: int, num_tokens: int, seed: int) -> float:
    """Return tokens per second of :func:`genloom.networks.sequence.continuation.generate`."""
    model, tokens = network(seed), torch.zeros(batch_size, 1, dtype=torch.int64)

    def draw(num: int) -> None:
        for _ in generate(model, tokens, num, Tokens(), torch.Generator().manual_seed(seed)):
            pass

    draw(WARM_UP)
    start = time.perf_counter()
    draw(num_tokens)
    return batch_size * num_tokens / (time.perf_counter() - start)


@torch.inference_mode()
def uncached(num_tokens: int, seed: int) -> float:
    """Return tokens per second where all of the text is read again for each token."""
    model, rng, sampler = network(seed), torch.Generator().manual_seed(seed), Tokens()
    text = torch.zeros(1, 1, dtype=torch.int64)
    start = time.perf_counter()
    for _ in range(num_tokens):
        drawn = sampler(model(text, text[:, :1])[:, 0], rng)
        text = torch.cat([text, drawn.unsqueeze(1)], dim=1)
    return num_tokens / (time.perf_counter() - start)


def genloom(iterations: int, batch_size: int, seed: int, *, bf16: bool = False, **trained: Any) -> float:
    """Return tokens per second of training, of the family under Lightning; see :func:`throughput.timed_trainer`."""
    data = Text(vocabulary=FromCharacters(), batch_size=batch_size, seed=seed)
    model = SequenceModel(
        data.describe(),
        network=bare_language.network,
        output=Categorical,
        objective=NegativeLogLikelihood(),
        optimizer={"network": bare_language.optimizer},
        gradient_clip_norm=1.0,
        seed=seed,
    )
    precision = "bf16-mixed" if bf16 else "32-true"
    return rate_of(model, data, iterations, precision=precision, **trained) * data.length


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--hugging-face", help="an environment that holds transformers")
    options = parser.parse_args()
    num = options.tokens
    drawn = {
        "genloom, 1 text": partial(cached, 1, num),
        "genloom, 32 texts": partial(cached, 32, num),
        "genloom, no cache": partial(uncached, num),
    }
    python = environment("transformers", "transformers", options.hugging_face)
    if isinstance(python, Path):
        for texts in ("1 text", "32 texts"):
            size = int(texts.split()[0])
            drawn[f"Hugging Face, {texts}"] = partial(rate, python, "hugging_face_loop.py", size, num)
    else:
        print(f"Hugging Face left out: {python}")
    rates = in_turns(drawn, options.pairs, "tokens/s")
    data = Text(vocabulary=FromCharacters(), batch_size=16)
    rows, spec = data.read("train").rows, data.describe()
    trained = {
        "bare loop": partial(bare_language.train, rows, spec, options.iterations, 16),
        "genloom": partial(genloom, options.iterations, 16),
    }
    rates |= in_turns(trained, options.pairs, "tokens/s")
    result = {
        "tokens_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "with a cache / without (at least 5)": ratio(rates["genloom, 1 text"], rates["genloom, no cache"]),
        "training, genloom / bare loop (at least 0.97)": ratio(rates["genloom"], rates["bare loop"]),
    }
    if isinstance(python, Path):
        result |= {
            f"genloom / Hugging Face, {texts} (at least {least})": ratio(
                rates[f"genloom, {texts}"], rates[f"Hugging Face, {texts}"]
            )
            for texts, least in (("1 text", 2), ("32 texts", 1))
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
