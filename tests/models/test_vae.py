import copy
import math
from functools import partial
from itertools import pairwise

import pytest
import pytorch_lightning as pl
import torch
import zuko
from pytorch_lightning import Callback
from torch import nn

from conftest import adam
from genloom import randomness
from genloom.bottlenecks.gaussian import Deterministic
from genloom.bottlenecks.gaussian import Gaussian as Latent
from genloom.bottlenecks.ladder import Ladder
from genloom.bottlenecks.vector_quantised import VectorQuantised
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.distributions.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from genloom.distributions.likelihoods.gaussian import Gaussian, OptimalGaussian
from genloom.distributions.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.distributions.mixture import Mixture
from genloom.distributions.posteriors import FlowPosterior
from genloom.distributions.priors import FlowPrior, VampPrior
from genloom.errors import ConfigError
from genloom.models.abilities import Conditions, Encodes, HasLatents, Reconstructs, Samples, Scores
from genloom.models.generation import draw_examples
from genloom.models.vae import VAE
from genloom.networks.autoencoder.convolutional import ConvolutionalDecoder, ConvolutionalEncoder, ResidualDoubling
from genloom.networks.autoencoder.residual import Halving
from genloom.networks.base import Encoder
from genloom.networks.conditioning import Concatenation
from genloom.objectives.vae import BetaTc, Elbo, Iwae
from genloom.schedules import linear
from genloom.spec import Spec

residual = {
    "encoder": partial(ConvolutionalEncoder, block=Halving, width=4, hidden=8),
    "decoder": partial(ConvolutionalDecoder, block=ResidualDoubling, width=4, hidden=8),
}
convolutional = {
    "encoder": partial(ConvolutionalEncoder, width=4, hidden=8),
    "decoder": partial(ConvolutionalDecoder, width=4, hidden=8),
}
plain = {"bottleneck": partial(Deterministic, dim=3), "likelihood": OptimalGaussian}
flow = partial(zuko.flows.MAF, transforms=2, passes=2, hidden_features=[8])
flows = {
    "bottleneck": partial(
        Latent, dim=3, posterior=partial(FlowPosterior, flow=flow), prior=partial(FlowPrior, flow=flow)
    )
}
vamp = {"bottleneck": partial(Latent, dim=3, prior=partial(VampPrior, components=4))}
ladder = {"bottleneck": partial(Ladder, dims=(3, 2), hidden=6)}
codes = {
    "bottleneck": partial(VectorQuantised, stages=3, num_codes=6, code_dim=2),
    "optimizer": {"autoencoder": adam, "prior": adam},
}
small = {
    "encoder": partial(ConvolutionalEncoder, width=4, hidden=8, full_resolution=False),
    "decoder": partial(ConvolutionalDecoder, width=4, hidden=8, full_resolution=False),
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective": Iwae(k=3)},
        {"objective": BetaTc()},
        {"likelihood": ContinuousBernoulli},
        {"likelihood": partial(DiscretisedLogisticMixture, components=2)},
        plain,
        flows,
        vamp,
        ladder,
        codes,
        convolutional,
        residual,
        small,
    ],
    ids=[
        "vae",
        "iwae",
        "beta_tc",
        "continuous_bernoulli",
        "mixture",
        "plain",
        "flows",
        "vamp",
        "ladder",
        "codes",
        "convolutional",
        "residual",
        "small",
    ],
)
def test_every_parameter_gets_a_gradient_and_one_step_is_one_iteration(tiny_vae, tiny_data, fit, changes):
    model = tiny_vae(**changes)
    before = copy.deepcopy(model.state_dict())
    trainer = fit(model, tiny_data, max_steps=3)
    assert trainer.global_step == 3
    for name, parameter in model.named_parameters():
        assert not torch.equal(parameter, before[name]), name


@pytest.mark.parametrize("sides", [(4, 4), (28, 28), (32, 32), (17, 30)])
@pytest.mark.parametrize("parts", [convolutional, residual, small], ids=["convolutional", "residual", "small"])
def test_images_of_any_size_come_back_in_theirs(tiny_vae, parts, sides):
    spec = Spec("odd", ImageContent(3, *sides))
    model = tiny_vae(spec=spec, likelihood=partial(DiscretisedLogisticMixture, components=2), **parts)
    assert model.sample(2, rng=torch.Generator()).content.shape == (2, 3, *sides)


def test_accumulation_over_two_half_batches_equals_one_batch(tiny_vae, tiny_data, fit):
    def trained(accumulation: int, batch_size: int) -> VAE:
        data = copy.copy(tiny_data)
        data.batch_size = batch_size
        model = tiny_vae(**plain | {"likelihood": Gaussian}, accumulation=accumulation)
        fit(model, data, max_steps=4)
        return model

    whole, halves = trained(1, 10).state_dict(), trained(2, 5).state_dict()
    for name in whole:
        torch.testing.assert_close(whole[name], halves[name], rtol=1e-4, atol=1e-5)


def test_what_a_model_can_do_depends_on_its_parts(tiny_vae):
    labelled = Spec("labelled", ImageContent(1, 4, 4), {"label": LabelContent(("a", "b"))})
    always = {Encodes, Reconstructs}
    stochastic = always | {Samples, HasLatents, Scores}
    assert tiny_vae(**plain).abilities == always
    assert tiny_vae(**plain, latent_density=partial(Mixture, components=2)).abilities == always | {Samples, HasLatents}
    assert tiny_vae().abilities == stochastic
    assert tiny_vae(**codes).abilities == stochastic - {HasLatents}
    assert tiny_vae(spec=labelled, conditioning=Concatenation).abilities == stochastic | {Conditions}


def test_parts_that_do_not_fit_are_refused_by_both_keys(tiny_vae):
    with pytest.raises(ConfigError, match=r"model\.objective.*model\.bottleneck"):
        tiny_vae(bottleneck=partial(Deterministic, dim=3), objective=Iwae())
    with pytest.raises(ConfigError, match=r"conditioning.*data\.name=tiny"):
        tiny_vae(conditioning=Concatenation)
    with pytest.raises(ConfigError, match=r"model\.latent_density.*model\.bottleneck"):
        tiny_vae(**ladder, latent_density=partial(Mixture, components=2))
    with pytest.raises(ConfigError, match=r"model\.likelihood.*data\.binarize"):
        tiny_vae(likelihood=Bernoulli)


def test_samples_reconstructions_and_latents_use_the_weights_that_are_named(tiny_vae, tiny_data, tiny_batch, fit):
    model = tiny_vae(ema_half_life_examples=50)
    fit(model, tiny_data, max_steps=5)
    assert model.weight_sets == ("ema", "raw")
    ema, raw = model.using("ema"), model.using("raw")
    for use in (lambda model: model.reconstruct(tiny_batch).content,
                lambda model: model.encode(tiny_batch)["z"],
                lambda model: draw_examples(model, 4, seed=0).content.float()):  # fmt: skip
        assert torch.equal(use(model), use(ema)) and torch.equal(use(raw.using(None)), use(ema))
        assert not torch.equal(use(raw), use(ema))
    assert model.training  # evaluation leaves the mode as it was


def test_a_conditional_model_samples_as_asked_and_reconstructs_by_the_class(tiny_vae, tiny_labelled, fit):
    model = tiny_vae(spec=tiny_labelled.describe(), conditioning=Concatenation)
    fit(model, tiny_labelled, max_steps=3)
    examples = draw_examples(model, 6, seed=0, asked={"label": ["1", "0"]})
    assert examples.labels is not None and examples.labels.tolist() == [1, 0] * 3
    batch = next(model.spec.batches(tiny_labelled.split("test"), 8))
    assert model.reconstruct(batch).content.shape == batch.content.shape
    assert model.log_prob(batch, num_samples=3, rng=torch.Generator()).shape == (8,)


def test_the_bound_by_importance_samples_does_not_depend_on_the_chunks(tiny_vae, tiny_batch):
    model = tiny_vae()
    whole, chunked = (
        model.log_prob(tiny_batch, num_samples=4000, rng=torch.Generator().manual_seed(0), max_draws=draws)
        for draws in (40_000, 70)
    )
    assert torch.allclose(whole, chunked, atol=0.3)  # the random numbers are others
    single = model.log_prob(tiny_batch, num_samples=1, rng=torch.Generator().manual_seed(0))
    many = model.log_prob(tiny_batch, num_samples=2000, rng=torch.Generator().manual_seed(0))
    assert many.mean() > single.mean()


def test_the_memory_of_the_bound_does_not_grow_with_the_number_of_draws(tiny_vae, tiny_batch):
    class Counting(nn.Module):
        largest = 0

        def __init__(self, decoder: nn.Module) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            Counting.largest = max(Counting.largest, len(z))
            return self.decoder(z)

    model = tiny_vae()
    model.autoencoder.decoder = Counting(model.autoencoder.decoder)
    largest = {}
    for num in (50, 5000):
        Counting.largest = 0
        model.log_prob(tiny_batch, num_samples=num, rng=torch.Generator(), max_draws=500)
        largest[num] = Counting.largest
    assert largest == {50: 500, 5000: 500}


def test_a_denoising_autoencoder_sees_noise_and_is_asked_for_the_clean_example(tiny_vae, tiny_data, fit):
    seen = []

    class Watching(Encoder):
        num_features = 4

        def __init__(self, spec: Spec) -> None:
            super().__init__()
            self.linear = nn.Linear(16, 4)

        def forward(self, content: torch.Tensor) -> torch.Tensor:
            seen.append(content.detach().abs().max().item())
            return self.linear(content.flatten(1))

    fit(tiny_vae(**plain | {"encoder": Watching}, input_noise=3.0), tiny_data, max_steps=1)
    assert seen[0] > 3
    with pytest.raises(ConfigError, match=r"model\.input_noise: -1"):
        tiny_vae(input_noise=-1)


@pytest.mark.parametrize("parts", [flows, vamp, ladder, codes], ids=["flows", "vamp", "ladder", "codes"])
def test_a_learned_prior_draws_by_the_weights_that_decode(tiny_vae, tiny_data, tiny_batch, fit, parts):
    model = tiny_vae(**parts, ema_half_life_examples=50)
    fit(model, tiny_data, max_steps=5)
    with torch.no_grad():
        for parameter in model.autoencoder.parameters():
            parameter.fill_(float("nan"))
    model = model.using("ema")
    assert draw_examples(model, 4, seed=0).content.float().isfinite().all()
    log_prob = model.log_prob(tiny_batch, num_samples=3, rng=torch.Generator())
    assert log_prob.isfinite().all()
    bounds = model.bounds(tiny_batch, rng=torch.Generator())
    assert all(value.isfinite().all() for value in bounds.values())


def test_an_autoencoder_and_its_prior_learn_when_their_schedules_say(tiny_vae, tiny_data, fit):
    """In the first half only the autoencoder, in the second only the prior; each iteration is one step."""
    schedules = {"autoencoder": partial(linear, to_fraction=0.5), "prior": partial(linear, from_fraction=0.5)}
    states = []

    class Watching(Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, model: pl.LightningModule, *_: object) -> None:
            states.append(copy.deepcopy(model.autoencoder.state_dict()))

    model = tiny_vae(**codes, scheduler=schedules)
    states.append(copy.deepcopy(model.autoencoder.state_dict()))
    trainer = fit(model, tiny_data, max_steps=6, callbacks=[Watching()])
    assert trainer.global_step == 6
    for iteration, (before, after) in enumerate(pairwise(states)):
        for name in before:
            learns = name.startswith("bottleneck.prior") == (iteration >= 3)
            assert torch.equal(before[name], after[name]) != learns, (iteration, name)


def test_both_players_learn_from_one_loss_and_the_prior_does_not_disturb_the_autoencoder(tiny_vae, tiny_data, fit):
    trained = []
    for rate in (1e-2, 1e-4):
        optimizer = {"autoencoder": adam, "prior": partial(torch.optim.Adam, lr=rate)}
        model = tiny_vae(**codes | {"optimizer": optimizer})
        fit(model, tiny_data, max_steps=3)
        trained.append(model.autoencoder.state_dict())
    for name in trained[0]:
        assert torch.equal(trained[0][name], trained[1][name]) != name.startswith("bottleneck.prior"), name


def test_a_density_is_fitted_to_the_latents_when_training_ends(tiny_vae, tiny_data, fit):
    model = tiny_vae(**plain, latent_density=partial(Mixture, components=2), ema_half_life_examples=50)
    fit(model, tiny_data, max_steps=5)
    batch = next(model.spec.batches(tiny_data.split("train"), 1000))
    for weights in ("ema", "raw"):
        z = model.using(weights).encode(batch)["z"]
        drawn = model.using(weights).draw_latent(20_000, torch.Generator().manual_seed(0))["z"]
        assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.1 * z.std().item())
        assert torch.allclose(drawn.std(0), z.std(0), rtol=0.1)


def test_an_average_of_the_objective_over_training_falls(tiny_vae, tiny_data, fit):
    model = tiny_vae(likelihood=partial(Gaussian, sigma=0.5), objective=Elbo(k=2))
    batch = next(model.spec.batches(tiny_data.split("train"), 100))

    def bound() -> float:
        return model.log_prob(batch, num_samples=100, rng=randomness.generator("bound")).mean().item()

    before = bound()
    fit(model, tiny_data, max_steps=60)
    assert bound() > before + 1
    assert math.isfinite(bound())
