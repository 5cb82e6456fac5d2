import math

import pytest
import torch

from genloom.networks.base import Critique
from genloom.objectives.gan import AuxiliaryClassification, CodeInformation
from objectives.games import game, images

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])


def says(aux):
    return lambda content, condition: Critique(content[:, 0, 0, 0], aux)


def cross_entropy(logits, index) -> float:
    rows = [math.log(sum(math.exp(v) for v in row)) - row[i] for row, i in zip(logits.tolist(), index, strict=True)]
    return sum(rows) / len(rows)


def test_auxiliary_classification_against_the_formula():
    labels = torch.tensor([0, 1])
    played = game(says({"class": LOGITS}), images(0, 0), images(0, 0), labels=labels)
    term = AuxiliaryClassification(weight=2.0, generator_weight=0.5)
    expected = cross_entropy(LOGITS, [0, 1])
    of_discriminator, of_generator = term.discriminator(played), term.generator(played)
    assert of_discriminator.total.item() == pytest.approx(2 * expected, rel=1e-5)
    assert of_discriminator.terms()["class_accuracy_x"].item() == 0.5
    assert of_generator.total.item() == pytest.approx(0.5 * expected, rel=1e-5)
    both = AuxiliaryClassification(weight=2.0, on_generated=True).discriminator(played)
    assert both.total.item() == pytest.approx(4 * expected, rel=1e-5)


def test_code_information_against_the_formula_and_its_bound():
    latent = {
        "z": torch.zeros(2, 5),
        "category": torch.tensor([0, 2]),
        "continuous": torch.tensor([[0.5, 3.0], [-1.0, 0.0]]),
    }
    seen = {"category": LOGITS, "continuous": torch.tensor([[0.0, 0.0], [1.0, 1.0]])}
    played = game(says(seen), images(0, 0), images(0, 0), latent=latent)
    loss = CodeInformation(weight=1.0, continuous_weight=0.1).generator(played)
    entropy = cross_entropy(LOGITS, [0, 2])
    assert loss.total.item() == pytest.approx(entropy + 0.1 * 0.5 * (0.25 + 9 + 4 + 1) / 2, rel=1e-5)
    assert loss.terms()["code_information_bound"].item() == pytest.approx(math.log(3) - entropy, rel=1e-5)
