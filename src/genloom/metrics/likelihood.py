"""How probable held-out examples are under a model: nats per example, except bits per dimension."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from genloom import randomness
from genloom.contents.base import Values
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count, NonNegative, Whole
from genloom.models.abilities import Bounds, Encodes, Model, Scores, offers
from genloom.progress import bar


@dataclass(frozen=True)
class Likelihood(Measurement):
    """A bound on −log p(x); and of models with latents the evidence lower bound and its parts.

    ``nll_bound`` of models with latents is −log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x), at least −log p(x) in
    expectation, with an interval over the examples; Burda et al., Importance Weighted Autoencoders, 2016. Of others it
    is what they say, a bound or an estimate: draws make that steadier, not tighter. ``bits_per_dim`` is the same per
    value, in bits, where the likelihood gives probabilities; densities have no such number.

    Args:
        num_importance: K; 5000 for numbers to report; 0 leaves out the bound, and bits per dimension with it.
        num_draws: per example, of models without latents; 0 leaves them out.
        num_examples: of the held-out ones, at most.
        batch_size: examples at once.
    """

    kind = Values  # the likelihood of other content is exact and needs no bound
    requires = Scores
    quantities: ClassVar = {
        "nll_bound": Direction.LOWER,
        "bits_per_dim": Direction.LOWER,
        "negative_elbo": Direction.LOWER,
        "reconstruction_nats": Direction.NONE,
        "kl_nats": Direction.NONE,
    }

    num_importance: Count = 100
    num_draws: Whole = 4
    num_examples: Count = 10_000
    batch_size: Count = 200

    def __post_init__(self) -> None:
        for name, value in (("num_importance", self.num_importance), ("num_draws", self.num_draws)):
            if value < 0:
                raise ConfigError(f"metrics.metrics.likelihood.{name}: {value} is below the limit of 0")

    def quick(self) -> "Likelihood":
        """Return the ELBO and its parts alone: thousands of draws per example would take longer than the training."""
        return replace(self, num_importance=0, num_draws=0)

    def measure(self, model: Scores, held: Held) -> dict[str, Score]:
        """Return all that the model's likelihood has."""
        has_parts = Encodes in model.abilities
        draws = self.num_importance if has_parts else self.num_draws
        if not (has_parts or draws):
            return {}
        rng = randomness.generator("likelihood", device=model.device)
        examples = held.examples[slice(0, self.num_examples)]
        bounds: list[Tensor] = []
        likelihoods: list[Tensor] = []
        divergences: list[Tensor] = []
        with bar(len(examples), "likelihood", "examples", shown=held.progress_bar, delay=5) as progress:
            for batch in model.spec.batches(examples, self.batch_size):
                if draws:
                    bound = model.log_prob(batch, num_samples=draws, rng=rng)
                    bounds.append(bound.double().cpu())
                if has_parts:
                    parts = cast(Bounds, model).bounds(batch, rng=rng)
                    likelihoods.append(parts.pop("log_likelihood").double().cpu())
                    divergences.append(torch.stack([kl.double().sum(1) for kl in parts.values()]).sum(0).cpu())
                progress.update(len(batch))
        found = self._parts(-torch.cat(likelihoods), torch.cat(divergences)) if has_parts else {}
        if bounds:
            drawn = {"importance_samples" if has_parts else "draws": draws}
            found |= self._bound(-torch.cat(bounds), model, drawn)
        return found

    def _parts(self, reconstruction: Tensor, kl: Tensor) -> dict[str, Score]:
        return {
            "negative_elbo": Score((reconstruction + kl).mean().item()),
            "reconstruction_nats": Score(reconstruction.mean().item()),
            "kl_nats": Score(kl.mean().item()),
        }

    def _bound(self, nll: Tensor, model: Scores, drawn: dict[str, int]) -> dict[str, Score]:
        mean, half = nll.mean().item(), 1.96 * (nll.std() / math.sqrt(len(nll))).item()
        details = {
            **drawn,
            "examples": len(nll),
            "measure": model.likelihood_measure,
            "kind": model.likelihood_kind,
        }
        found = {"nll_bound": Score(mean, (mean - half, mean + half), details)}
        if model.likelihood_measure == "probability":
            values = math.prod(model.spec.content.shape)
            found["bits_per_dim"] = Score(mean / values / math.log(2))
        return found


@dataclass(frozen=True)
class LatentActivity(Measurement):
    """How many units of the latent say anything about the example: those whose posterior mean varies.

    A unit is active if Var_x(E_q[z|x]) > ``threshold``; Burda et al., 2016, section 5. Codes have no variance.

    Args:
        threshold: of the variance.
        batch_size: examples at once.
    """

    requires = Scores
    quantities: ClassVar = {"active_units": Direction.NONE}

    threshold: NonNegative = 0.01
    batch_size: Count = 500

    def why_not(self, model: Model, examples: Examples) -> str | None:
        """Refuse codes, and models without a latent."""
        if not offers(model, Encodes):
            return "the model has no latent"
        return "codes have no variance" if model.num_codes else super().why_not(model, examples)

    def measure(self, model: Encodes, held: Held) -> dict[str, Score]:
        """Return the count, with the variance of every unit as details."""
        codes = [model.encode(batch) for batch in model.spec.batches(held.examples, self.batch_size)]
        variances = torch.cat(
            [torch.cat([code[name].flatten(1) for code in codes]).float().var(0).cpu() for name in codes[0]]
        )
        active = int((variances > self.threshold).sum())
        return {"active_units": Score(active, details={"of": len(variances), "variances": variances.tolist()})}

    def warnings(self, scores: Mapping[str, Score]) -> list[str]:
        """Name a collapse of the posterior."""
        score = scores["active_units"]
        if score.value == 0:
            return [
                "the posterior has collapsed: no unit of the latent says anything about the example; choose "
                "objective/vae@model.objective=elbo_warmup, set free_nats, or weaken the decoder"
            ]
        if score.value < 0.1 * score.details["of"]:
            return [f"only {score.value:.0f} of {score.details['of']} units of the latent are active"]
        return []
