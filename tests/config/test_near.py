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
        ("dcgan_mnist", ["mnist/dcgan", "mnist/gan_fast", "mnist/sagan"], ["mnist/dcgan"]),
        ("mnist_vae/dense", ["mnist/vae_dense", "digits/vae_dense"], ["mnist/vae_dense"]),
        ("stacked", ["stacked/dcgan", "digits/dcgan"], ["stacked/dcgan"]),
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
