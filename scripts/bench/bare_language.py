"""The upper bound for training on text: a plain loop over the same network, with no framework around it.

nanoGPT's size: 4 layers, 128 wide, 16 windows of 128 tokens.

    python scripts/bench/bare_language.py --iterations 100
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, Integer
from torch import Tensor, nn

from genloom.networks.sequence.language import Language
from genloom.networks.sequence.transformer import Transformer
from genloom.spec import Spec

CONTEXT = 640
WARMUP_ITERATIONS = 3
network = partial(Language, backbone=partial(Transformer, width=128, layers=4, heads=4, context=CONTEXT))
optimizer = partial(torch.optim.AdamW, lr=1e-3, betas=(0.9, 0.99), fused=True)


def updates(
    rows: Integer[Tensor, " rows"],
    spec: Spec,
    seed: int = 0,
    *,
    bf16: bool = False,
    compile: Callable[[Any], Any] = lambda function: function,
) -> Callable[[Int64[Tensor, " batch"]], None]:
    """Return what updates the network by the windows that begin at some places; see :func:`bare_loop.updates`."""
    torch.manual_seed(seed)
    device, length = rows.device, spec.content.shape[0]
    model = network(spec, outputs=int(rows.max()) + 1).to(device)
    steps = optimizer(model.parameters(), capturable=device.type == "cuda")
    window = torch.arange(length + 1, device=device)

    @compile
    def loss(tokens: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            logits = model(tokens[:, :1], tokens[:, 1:])
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    def update(index: Tensor) -> None:
        loss(rows[index[:, None] + window].long()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        steps.step()
        steps.zero_grad()

    return update


def train(rows: Integer[Tensor, " rows"], spec: Spec, iterations: int, batch_size: int = 16, seed: int = 0) -> float:
    """Train for ``iterations`` after the warm-up; return tokens per second.

    Args:
        rows: the text's tokens.
        spec: of the text.
        iterations: updates that are timed.
        batch_size: windows of one update.
        seed: of the weights and the order.
    """
    update, length = updates(rows, spec, seed), spec.content.shape[0]
    start = 0.0
    for step in range(WARMUP_ITERATIONS + iterations):
        if step == WARMUP_ITERATIONS:
            start = time.perf_counter()
        update(torch.randint(len(rows) - length, (batch_size,)))
    return iterations * batch_size * length / (time.perf_counter() - start)


if __name__ == "__main__":
    from genloom.data.texts.text import FromCharacters, Text

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=100)
    options = parser.parse_args()
    data = Text(vocabulary=FromCharacters(), batch_size=16)
    print(f"{train(data.read('train').rows, data.describe(), options.iterations):.0f} tokens/s")
