"""Near names."""

import pytest

from genloom.config.near import did_you_mean, near


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mnst", ["mnist", "digits", "cifar10"], ["mnist"]),
        ("dcgan", ["gan/dcgan", "gan/dense"], ["gan/dcgan"]),
        ("lr", ["optimizer.a.lr", "optimizer.b.lr", "seed"], ["optimizer.a.lr", "optimizer.b.lr"]),
        ("adam", ["Adam", "SGD"], ["Adam"]),
        ("xyz", ["mnist", "digits"], []),
        ("x", [], []),
        ("aaaa", ["aaab", "aaac", "aaad", "aaae"], ["aaab", "aaac", "aaad"]),
    ],
)
def test_near(name: str, options: list[str], expected: list[str]) -> None:
    assert near(name, options) == expected


def test_did_you_mean() -> None:
    assert did_you_mean("mnst", ["mnist"]) == "; did you mean mnist?"
    assert did_you_mean("xyz", ["mnist"]) == ""
