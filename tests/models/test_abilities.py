"""Abilities are what a model says, its methods are there, and a choice of weights leaves the model itself alone."""

import copy
from functools import partial

import pytest
import torch

from genloom import randomness
from genloom.bottlenecks.gaussian import Deterministic
from genloom.distributions.likelihoods.gaussian import OptimalGaussian
from genloom.errors import CapabilityError, ConfigError
from genloom.models.abilities import (
    Attends,
    Encodes,
    HasDirections,
    HasLatents,
    Model,
    Samples,
    Scores,
    Truncates,
    checked,
    offers,
    short_name,
)
from genloom.models.generation import draw_examples
from genloom.networks.dense import DenseGenerator
from genloom.networks.gan.resnet import ResNetGenerator


@pytest.fixture
def averaged(tiny_gan, tiny_data, fit):
    model = tiny_gan(ema_half_life_examples=50)
    fit(model, tiny_data, max_steps=5)
    return model


def test_each_weight_set_draws_its_own_samples_and_the_model_its_default(averaged):
    ema, raw = averaged.using("ema"), averaged.using("raw")
    of_ema, of_raw, default = (draw_examples(each, 9, seed=0).content for each in (ema, raw, averaged))
    assert torch.equal(default, of_ema) and not torch.equal(of_raw, of_ema)
    with torch.no_grad():
        for parameter in averaged.generator_ema.parameters():
            parameter.zero_()
    assert torch.equal(draw_examples(raw, 9, seed=0).content, of_raw)
    assert not torch.equal(draw_examples(averaged, 9, seed=0).content, default)


def test_a_choice_of_weights_leaves_the_model_itself_alone(averaged):
    state, attributes = averaged.state_dict(), dict(vars(averaged))
    raw = averaged.using("raw")
    raw.sample(2, rng=randomness.generator(0))
    assert (averaged.weights, raw.weights, raw.using(None).weights) == ("ema", "raw", "ema")
    assert vars(averaged) == attributes
    assert list(averaged.state_dict()) == list(state) and raw not in list(averaged.modules())
    assert all(torch.equal(value, state[name]) for name, value in averaged.state_dict().items())


def test_a_chosen_model_is_the_same_but_for_its_weights(averaged):
    raw = averaged.using("raw")
    assert type(raw) is type(averaged) and raw is not averaged
    assert raw.trainer is averaged.trainer and raw.device == averaged.device
    assert (raw.spec, raw.seed, raw.abilities) == (averaged.spec, averaged.seed, averaged.abilities)
    assert raw.generator is averaged.generator and list(raw.state_dict()) == list(averaged.state_dict())


def test_unknown_weights_are_refused_when_they_are_named(tiny_gan):
    with pytest.raises(ConfigError, match="weights: 'ema' is not in this model, which holds raw"):
        tiny_gan().using("ema")


def test_a_model_has_the_methods_of_what_it_offers(tiny_gan, tiny_vae):
    for model in (tiny_gan(), tiny_vae()):
        assert isinstance(model, Model)
        assert all(isinstance(model, ability) for ability in model.abilities)
        assert not isinstance(model, Attends)
    assert not isinstance(tiny_gan(), Encodes) and not isinstance(tiny_vae(), Truncates)


def test_a_model_is_asked_what_it_offers_not_what_its_class_could(tiny_vae):
    model = tiny_vae(bottleneck=partial(Deterministic, dim=3), likelihood=OptimalGaussian)
    assert isinstance(model, Scores) and not offers(model, Scores)
    with pytest.raises(CapabilityError, match=r"^this needs Score; this model offers Encode, Reconstruct$"):
        checked("this", Scores, model)
    assert checked("this", Encodes, model) is model


@pytest.mark.parametrize("generator", [DenseGenerator, ResNetGenerator])
def test_asking_what_a_model_offers_changes_nothing_in_it(tiny_gan, generator):
    model = tiny_gan(generator=generator, spectral_norm=["generator"]).train()
    before = copy.deepcopy(model.state_dict())
    assert HasDirections in model.abilities and model.latent_directions(2)[1].shape[0] == 2
    assert model.training and model.generator.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_messages_call_an_ability_by_a_verb_or_a_noun():
    assert [short_name(each) for each in (Samples, HasLatents, HasDirections)] == ["Sample", "Latent", "Direction"]
