"""What the survey's VAE formulas do, beside the right ones; the numbers of docs/objectives.md.

    python scripts/results/survey_formulas.py     # about a minute on 2 cores, on scikit-learn's digits

As we read it, the survey's regulariser of a unit is (μ² + σ² − 1)/2, without −log σ, and its Gaussian reconstruction
error is divided by a σ² that is learned, without the term log σ. Its text was not at hand to copy from.
"""

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from genloom import randomness
from genloom.batch import Batch
from genloom.bottlenecks.gaussian import Gaussian
from genloom.data.images.digits import Digits
from genloom.distributions.likelihoods.bernoulli import Bernoulli
from genloom.distributions.normal import Normal
from genloom.models.vae import VAE
from genloom.networks.dense import DenseDecoder, DenseEncoder
from genloom.objectives.loss import Loss
from genloom.objectives.vae import Elbo, LatentModel, VaeObjective

ITERATIONS, BATCH_SIZE = 1500, 64


def survey_regulariser(posterior: Normal) -> Tensor:
    """Return (μ² + σ² − 1)/2 of each unit."""
    return 0.5 * (posterior.mean.square() + posterior.log_variance.exp() - 1)


class SurveyLoss(VaeObjective):
    """−log p(x|z) plus the survey's regulariser."""

    def forward(
        self, model: LatentModel, batch: Batch, *, iteration: int, num_examples: int | None, rng: torch.Generator
    ) -> Loss:
        """Return the loss."""
        inference = model.infer(batch, 1, rng)
        assert inference.posterior is not None
        reconstruction = -model.log_likelihood(inference, batch).mean()
        return Loss(reconstruction + survey_regulariser(inference.posterior).sum(1).mean())


def of_a_unit() -> Iterator[str]:
    """Yield rows of the two regularisers for some μ and σ."""
    for mean, sigma in ((0.0, 1.0), (0.0, 0.5), (0.0, 0.1), (0.0, 0.01), (1.0, 0.1)):
        posterior = Normal(torch.tensor([mean]), torch.tensor([2 * math.log(sigma)]))
        yield f"| {mean:g} | {sigma:g} | {posterior.kl().item():.3f} | {survey_regulariser(posterior).item():.3f} |"


def of_a_sigma(mse: float = 0.01) -> Iterator[str]:
    """Yield rows of a value's Gaussian loss with and without log σ, at a mean squared error that does not change."""
    for sigma in (0.05, 0.1, 1.0, 10.0):
        without = mse / (2 * sigma**2)
        right = without + math.log(sigma) + 0.5 * math.log(2 * math.pi)
        yield f"| {sigma:g} | {right:.3f} | {without:.5f} |"


def of_a_run(objective: VaeObjective) -> list[float]:
    """Train a VAE; return its mean σ, its KL divergence and the bound on its negative log-likelihood, in nats."""
    data = Digits(name="digits", size=16, binarize="static", batch_size=BATCH_SIZE)
    randomness.seed_globally("survey")
    model = VAE(
        data.describe(),
        encoder=partial(DenseEncoder, widths=[256]),
        decoder=partial(DenseDecoder, widths=[256]),
        bottleneck=partial(Gaussian, dim=16),
        likelihood=Bernoulli,
        objective=objective,
        optimizer={},
    )
    train = data.modelled("train")
    optimizer = torch.optim.Adam(model.autoencoder.parameters(), lr=1e-3)
    rng = randomness.generator("survey", "latents")
    for iteration in range(ITERATIONS):
        chosen = train[torch.randint(len(train), (BATCH_SIZE,), generator=rng)]
        batch = next(model.spec.batches(chosen, BATCH_SIZE))
        loss = objective(model.autoencoder, batch, iteration=iteration, num_examples=len(train), rng=rng)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    held = next(model.spec.batches(data.modelled("test"), 500))
    with torch.no_grad():
        posterior = model.autoencoder.infer(held, 1, rng).posterior
        assert posterior is not None
        sigma = (0.5 * posterior.log_variance).exp().mean().item()
        bound = model.log_prob(held, num_samples=1000, rng=rng).mean().item()
        return [sigma, posterior.kl().sum(1).mean().item(), -bound]


def main() -> None:
    """Print the tables."""
    print("| μ | σ | KL to N(0, 1) | the survey's |\n| ---: | ---: | ---: | ---: |")
    print("\n".join(of_a_unit()))
    print("\n| trained with | mean σ | KL, nats | −log p(x) at most, nats |\n| --- | ---: | ---: | ---: |")
    for name, objective in (("the ELBO", Elbo()), ("the survey's loss", SurveyLoss())):
        print(f"| {name} | " + " | ".join(f"{value:.3g}" for value in of_a_run(objective)) + " |")
    print("\n| σ | −log density, nats | without log σ |\n| ---: | ---: | ---: |")
    print("\n".join(of_a_sigma()))


if __name__ == "__main__":
    main()
