"""Train the feature extractor for handwritten digits and measure its floor, ladder and N-curve.

    python scripts/tools/train_digits_extractor.py DATA_ROOT OUT_FOLDER [SEED]

Trains on MNIST's training split and on scikit-learn's digits' training split, never on a test image.
Writes OUT_FOLDER/digits_cnn_v1.safetensors and card.json.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from genloom import randomness
from genloom.data.images.base import Images
from genloom.data.images.digits import Digits
from genloom.data.images.torchvision_sets import MNIST
from genloom.extractors.damage import rungs
from genloom.extractors.digits import DigitsCNN, DigitsExtractor
from genloom.extractors.features import trace_scale
from genloom.judging.judge import selection
from genloom.metrics.frechet import frechet_distance
from genloom.schedules import linear

# One epoch without label smoothing: longer training and smoothing collapse the classes to points, and the features
# then miss blur and PCA reconstructions (rungs at 12 and 8 times the floor instead of 26 and 13).
EPOCHS, BATCH_SIZE, LEARNING_RATE = 1, 128, 1e-3
DIGITS_REPEATS = 5  # 5,485 of 60,485 training images


def train(seed: int, mnist: MNIST, digits: Digits) -> DigitsCNN:
    """Return a trained network."""
    torch.manual_seed(randomness.key(seed, "extractor"))
    small, large = digits.split("train"), mnist.split("train")
    content = torch.cat([large.content, small.content.repeat(DIGITS_REPEATS, 1, 1, 1)])
    assert small.labels is not None
    assert large.labels is not None
    labels = torch.cat([large.labels, small.labels.repeat(DIGITS_REPEATS)])
    network = DigitsCNN()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    num_batches = -(-len(content) // BATCH_SIZE)
    schedule = linear(optimizer, total_iterations=EPOCHS * num_batches)
    loss = torch.zeros(())
    for epoch in range(EPOCHS):
        for batch in randomness.permutation(len(content), seed, "extractor", epoch).split(BATCH_SIZE):
            _, logits = network(content[batch])
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}", flush=True)
    return network.eval().requires_grad_(False)


def measure(extractor: DigitsExtractor, mnist: MNIST, digits: Digits) -> dict[str, object]:
    """Return accuracies, ladder and N-curve."""

    def accuracy(images: Images) -> float:
        return (extractor(images.content).logits.argmax(1) == images.labels).double().mean().item()

    test = mnist.split("test")
    chosen = selection(mnist, "train", 20_000)  # the first 10,000 are the reference of every evaluation
    reference, other = (
        extractor(half.content).vectors for half in (chosen[slice(0, 10_000)], chosen[slice(10_000, None)])
    )
    ladder = {
        name: frechet_distance(reference, extractor(pictures).vectors)
        for name, pictures in rungs(chosen[slice(0, 10_000)], test).items()
    }
    small_reference = extractor(digits.split("train").content).vectors
    return {
        "accuracy": {
            "mnist_val": accuracy(mnist.split("val")),
            "mnist_test": accuracy(test),
            "digits_val": accuracy(digits.split("val")),
            "digits_test": accuracy(digits.split("test")),
        },
        "ladder_mnist": ladder,
        "other_10k_train": frechet_distance(reference, other),
        "n_curve": {n: frechet_distance(reference, other[:n]) for n in (128, 500, 1000, 2000, 5000, 10_000)},
        "digits_floor": frechet_distance(small_reference, extractor(digits.split("test").content).vectors),
        "ladder_digits": {
            name: frechet_distance(small_reference, extractor(pictures).vectors)
            for name, pictures in rungs(digits.split("train"), digits.split("test")).items()
        },
    }


def main() -> None:
    """Train, save, measure."""
    data_root, out = sys.argv[1], Path(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    out.mkdir(parents=True, exist_ok=True)
    mnist = MNIST(name="mnist", size=32, root=data_root)
    digits = Digits(name="digits", size=32)
    start = time.perf_counter()
    network = train(seed, mnist, digits)
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        reference = mnist.split("train").content[:10_000]
        vectors = torch.cat([network(chunk)[0] for chunk in reference.split(500)])
    network.scale.fill_(trace_scale(vectors))
    path = out / "digits_cnn_v1.safetensors"
    save_file(network.state_dict(), path)
    card = {
        "seed": seed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "train_seconds": round(seconds),
        "scale": network.scale.item(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **measure(DigitsExtractor(path), mnist, digits),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2))
    print(json.dumps(card, indent=2))


if __name__ == "__main__":
    main()
