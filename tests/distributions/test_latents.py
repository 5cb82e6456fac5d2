"""Latents: their distributions against scipy's, the way between two of them."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from genloom.distributions.latents import NormalWithCodes, StandardNormal, slerp
from genloom.errors import ConfigError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_part_of_a_latent_with_codes_has_its_distribution():
    latent = NormalWithCodes(9, categories=4, continuous=2, noise_std=0.3).draw(5000, rng())
    assert latent["z"].shape == (5000, 9) and latent["continuous"].shape == (5000, 2)
    noise, codes = latent["z"][:, :3], latent["z"][:, 3:]
    assert scipy.stats.kstest(noise.flatten().numpy(), scipy.stats.norm(0, 0.3).cdf).pvalue > 0.01
    assert scipy.stats.kstest(latent["continuous"].flatten().numpy(), scipy.stats.uniform(-1, 2).cdf).pvalue > 0.01
    assert scipy.stats.chisquare(np.bincount(latent["category"], minlength=4)).pvalue > 0.01
    assert torch.equal(codes[:, :4], torch.eye(4)[latent["category"]])
    assert torch.equal(codes[:, 4:], latent["continuous"])


def test_a_latent_is_standard_normal_unless_told_otherwise():
    z = StandardNormal(3).draw(4000, rng())["z"]
    assert z.shape == (4000, 3)
    assert scipy.stats.kstest(z.flatten().numpy(), scipy.stats.norm.cdf).pvalue > 0.01
    assert StandardNormal(1).draw(2, rng())["z"].shape == (2, 1)
    with pytest.raises(ValueError, match="dim: 0 is below the limit of 1"):
        StandardNormal(0)


def test_latents_follow_their_generator():
    for latent in (StandardNormal(3), NormalWithCodes(9, categories=4, continuous=2)):
        first, again, other = (latent.draw(6, rng(seed)) for seed in (0, 0, 1))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert not any(torch.equal(first[name], other[name]) for name in first)


def test_another_category_leaves_the_rest():
    latent = NormalWithCodes(9, categories=4, continuous=2)
    before = latent.draw(5, rng())
    asked = torch.tensor([0, 1, 2, 3, 3])
    after = latent.with_category(before, asked)
    assert torch.equal(after["category"], asked) and torch.equal(after["continuous"], before["continuous"])
    assert torch.equal(after["z"][:, 3:7], torch.eye(4)[asked])
    assert torch.equal(after["z"][:, [0, 1, 2, 7, 8]], before["z"][:, [0, 1, 2, 7, 8]])


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_the_way_between_two_points_of_a_sphere_stays_on_it_and_turns_by_its_share(weight):
    degrees = torch.tensor([30.0, 90.0, 170.0])
    a = torch.tensor([[5.0, 0.0]]).expand(3, 2)
    b = 5 * torch.stack([degrees.deg2rad().cos(), degrees.deg2rad().sin()], 1)
    way = slerp(a, b, weight)
    torch.testing.assert_close(way.norm(dim=1), torch.full((3,), 5.0))
    torch.testing.assert_close(torch.atan2(way[:, 1], way[:, 0]).rad2deg(), weight * degrees, atol=1e-3, rtol=1e-5)


def test_the_way_between_parallel_points_is_straight():
    a = torch.tensor([[1.0, 2.0, -1.0]])
    torch.testing.assert_close(slerp(a, 3 * a, 0.25), 1.5 * a, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(slerp(a, a, 0.7), a, atol=1e-4, rtol=1e-4)


def test_codes_go_straight_and_the_category_is_the_nearer_one():
    latent = NormalWithCodes(9, categories=4, continuous=2)
    a, b = latent.draw(3, rng()), latent.draw(3, rng(1))
    for weight, nearer in ((0.25, a), (0.5, b), (0.75, b)):
        way = latent.interpolate(a, b, weight)
        torch.testing.assert_close(way["z"][:, 3:], (1 - weight) * a["z"][:, 3:] + weight * b["z"][:, 3:])
        torch.testing.assert_close(way["z"][:, :3], slerp(a["z"][:, :3], b["z"][:, :3], weight))
        torch.testing.assert_close(way["continuous"], way["z"][:, 7:])
        assert torch.equal(way["category"], nearer["category"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"dim": 9, "categories": 1}, "1 and 2 are below the limits of 2 and 0"),
        ({"dim": 9, "continuous": -1}, "10 and -1 are below the limits of 2 and 0"),
        ({"dim": 99, "noise_std": 0.0}, "noise_std: 0.0 is not above 0"),
        ({"dim": 12}, "leave no noise in a latent of 12"),
    ],
)
def test_codes_that_do_not_fit_are_named(arguments, named):
    with pytest.raises(ConfigError, match=named):
        NormalWithCodes(**arguments)
    assert NormalWithCodes(3, categories=2, continuous=0, noise_std=0.1).dim_noise == 1
    assert math.isclose(NormalWithCodes(3, categories=2, continuous=0).draw(1, rng())["z"][0, 1:].sum().item(), 1)
