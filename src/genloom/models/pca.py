"""Probabilistic principal component analysis: the linear autoencoder whose best parameters have a closed form.

Tipping and Bishop, Probabilistic Principal Component Analysis, 1999: x = W z + μ + σ ε, with z and ε ~ N(0, I).
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from genloom.batch import NOTHING, Batch, Given, Latent
from genloom.distributions.latents import StandardNormal
from genloom.distributions.likelihoods.gaussian import Gaussian
from genloom.distributions.normal import Normal, log_density
from genloom.errors import ConfigError
from genloom.limits import Count
from genloom.models.abilities import Encodes, HasLatents, Reconstructs, Samples, Scores
from genloom.models.closed_form import ClosedForm
from genloom.models.from_latents import FromFixedLatents
from genloom.models.training.passes import Passes
from genloom.spec import Spec


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x|z) = N(W z + μ, σ² I), the columns of W orthogonal; x is content as one vector.

    Every density is exact: the posterior, N(M⁻¹ Wᵀ (x − μ), σ² M⁻¹) with M = Wᵀ W + σ² I, is diagonal.

    Args:
        values: length of x.
        dim: length of z.
    """

    def __init__(self, values: int, dim: Count) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(values, dim))  # W
        self.mean = nn.Parameter(torch.zeros(values))  # μ
        self.log_variance = nn.Parameter(torch.zeros(()))  # log σ²

    @property
    def _gain(self) -> Float[Tensor, " dim"]:
        """The diagonal of Wᵀ W: the variance that each component adds."""
        return self.weight.square().sum(0)

    def posterior(self, x: Float[Tensor, "batch values"]) -> Normal:
        """Return p(z|x)."""
        m = self._gain + self.log_variance.exp()
        mean = (x - self.mean) @ self.weight / m
        return Normal(mean, (self.log_variance - m.log()).expand_as(mean))

    def decode(self, z: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch values"]:
        """Return E[x|z]."""
        return z @ self.weight.T + self.mean

    def project(self, x: Float[Tensor, "batch values"]) -> Float[Tensor, "batch values"]:
        """Return the nearest point that can be decoded: μ + W (Wᵀ W)⁻¹ Wᵀ (x − μ), the paper's section 3.3."""
        smallest = torch.finfo(self.weight.dtype).tiny  # of a component that adds nothing
        return self.decode((x - self.mean) @ self.weight / self._gain.clamp_min(smallest))

    def expected_log_likelihood(self, x: Float[Tensor, "batch values"]) -> Float[Tensor, " batch"]:
        """Return E[log p(x|z)] over the posterior, nats."""
        posterior = self.posterior(x)
        at_mean = log_density((x - self.decode(posterior.mean)).square(), self.log_variance).sum(1)
        spread = (posterior.log_variance.exp() * self._gain).sum(1)  # mean of ‖W (z − E[z|x])‖²
        return at_mean - 0.5 * spread / self.log_variance.exp()


class PCA(FromFixedLatents, ClosedForm):
    """Probabilistic PCA of the training examples, by maximum likelihood.

    :meth:`encode` gives the posterior's mean, as a VAE does. It is drawn towards 0, so that decoding it does not give
    the nearest point; :meth:`reconstruct` goes by the orthogonal projection, which has the least error.

    Args:
        spec: the data's.
        dim: components, the length of z.
        **closed_form: see :class:`~genloom.models.closed_form.ClosedForm`.

    Raises:
        ConfigError: ``dim`` is out of its limits.
    """

    def __init__(self, spec: Spec, *, dim: Count, **closed_form: Any) -> None:
        super().__init__(spec, **closed_form)
        if dim < 1:
            raise ConfigError(f"model.dim: {dim} is below the limit of 1")
        self.latent = StandardNormal(dim)
        self.linear = LinearGaussian(math.prod(spec.content.shape), dim)

    @property
    def solved(self) -> nn.Module:
        """W, μ and log σ²."""
        return self.linear

    @property
    def abilities(self) -> frozenset[type]:
        """What a VAE with a Gaussian latent can do."""
        return frozenset({Samples, HasLatents, Encodes, Reconstructs, Scores})

    @property
    def num_codes(self) -> int | None:
        """None: latents are no codes."""
        return None

    # Training

    def solution(self) -> Mapping[str, Tensor]:
        """Return the maximum of the likelihood: the paper's equations 7 and 8, with R = I.

        W = U (Λ − σ² I)^½ of the largest eigenvalues Λ of the examples' covariance; σ² is the mean of the others.

        Raises:
            ConfigError: the examples have fewer components, or just as many.
        """
        dim = self.latent.dim
        mean, covariance, num = self._moments()
        if dim > (limit := min(num, len(mean)) - 1):
            raise ConfigError(
                f"model.dim: {dim} is above the limit of {limit}, one less than the {num} training examples and than "
                f"the {len(mean)} values of each; lower it"
            )
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)  # ascending
        rounding = torch.finfo(eigenvalues.dtype).eps * len(mean) * eigenvalues[-1]
        if dim >= (directions := int((eigenvalues > rounding).sum())):
            raise ConfigError(
                f"model.dim: {dim} components leave no variance, and so no density: the training examples vary in "
                f"{directions} directions; the limit is {directions - 1}"
            )
        variance = eigenvalues[:-dim].clamp_min(0).mean()  # σ²
        kept, u = eigenvalues[-dim:].flip(0), eigenvectors[:, -dim:].flip(1)
        u = u * u.gather(0, u.abs().argmax(0, keepdim=True)).sign()  # an eigenvector's sign is arbitrary
        return {"weight": u * (kept - variance).clamp_min(0).sqrt(), "mean": mean, "log_variance": variance.log()}

    def _moments(self) -> tuple[Float64[Tensor, " values"], Float64[Tensor, "values values"], int]:
        examples = Passes(self.trainer, self.spec, "train", batch_size=5000)

        def parts() -> Iterator[Tensor]:
            return (batch.content.flatten(1).double() for batch in examples)

        sums, sizes = zip(*((x.sum(0), len(x)) for x in parts()), strict=True)
        num = sum(sizes)
        mean = torch.stack(sums).sum(0) / num
        covariance = mean.new_zeros(len(mean), len(mean))
        for x in parts():
            covariance.addmm_((x - mean).T, x - mean, alpha=1 / num)
        return mean, covariance, num

    # Use

    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the expected content, W z + μ."""
        with self.evaluating(self.linear) as linear:
            return self._as_content(linear.decode(latent["z"]), given)

    def encode(self, batch: Batch) -> Latent:
        """Return the posterior's mean of each example, on the model's device."""
        with self.evaluating(self.linear) as linear:
            return {"z": linear.posterior(self._as_vectors(batch)).mean}

    def reconstruct(self, batch: Batch) -> Batch:
        """Return the orthogonal projection of each example."""
        with self.evaluating(self.linear) as linear:
            return self._as_content(linear.project(self._as_vectors(batch)), batch.to(self.device).given)

    @property
    def likelihood_measure(self) -> str:
        """What log-likelihoods are of."""
        return Gaussian.measure

    @property
    def likelihood_kind(self) -> str:
        """They are exact."""
        return "exact"

    def bounds(self, batch: Batch, *, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the parts of the ELBO in closed form, which is log p(x); nothing is drawn.

        Returns:
            ``log_likelihood`` with shape (batch,), and ``kl_z`` with shape (batch, dim); nats.
        """
        x = self._as_vectors(batch)
        with self.evaluating(self.linear) as linear:
            return {"log_likelihood": linear.expected_log_likelihood(x), "kl_z": linear.posterior(x).kl()}

    def log_prob(self, batch: Batch, *, num_samples: int, rng: torch.Generator) -> Float[Tensor, " batch"]:
        """Return log N(x; μ, W Wᵀ + σ² I), nats: exact, whatever ``num_samples`` is.

        The posterior is exact, and so the ELBO is no mere bound.
        """
        parts = self.bounds(batch, rng=rng)
        return parts["log_likelihood"] - parts["kl_z"].sum(1)

    def _as_vectors(self, batch: Batch) -> Float[Tensor, "batch values"]:
        return batch.content.to(self.device).flatten(1)

    def _as_content(self, x: Float[Tensor, "batch values"], given: Given) -> Batch:
        return self.generated(x.unflatten(1, self.spec.content.shape), given)
