"""Discrete latents: a vector that is written as a sum, each term out of a codebook, coarse ones first."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, Latent
from genloom.bottlenecks.base import Bottleneck, Inference, at_least_one
from genloom.errors import ConfigError
from genloom.limits import Count, NonNegative, Share
from genloom.networks.autoencoder.autoregressive import AutoregressivePrior
from genloom.networks.conditioning import ConditionalEncoder
from genloom.precision import exact, exactly


class VectorQuantised(Bottleneck):
    """q puts all its weight on the nearest codes; p(codes) is learned beside, autoregressively.

    van den Oord et al., Neural Discrete Representation Learning (VQ-VAE), 2017: straight-through gradient (section
    3.2) and codebooks of moving averages (appendix A.1). Each stage quantises what the stages before left over (Lee et
    al., RQ-VAE, 2022, section 3.1), here by a codebook of its own: early codes say most, a wrong late one changes
    little, which makes their sequence easy to learn. Since q is certain, its divergence to the prior is −log p(codes),
    so reconstruction plus divergence is a bound on −log p(x), in nats. The prior's gradient ends at the codes, and it
    is a player of its own. Codes that are hardly used are put where some content is (Dhariwal et al., Jukebox, 2020,
    appendix B.1).

    Args:
        encoder: see :class:`~genloom.bottlenecks.base.Bottleneck`.
        stages: codes per example.
        num_codes: vectors of each stage's codebook.
        code_dim: their length.
        commitment: weight of the squared distance between the vector and the sum of its codes'.
        decay: of the moving averages, per update.
        revive_below: a code with less than this share of a uniform use is put elsewhere.
        prior: called as ``prior(num_codes, stages, code_dim)``.
    """

    certain = True

    def __init__(
        self,
        encoder: ConditionalEncoder,
        *,
        stages: Count = 16,
        num_codes: Count = 256,
        code_dim: Count = 32,
        commitment: NonNegative = 0.25,
        decay: Share = 0.99,
        revive_below: NonNegative = 0.05,
        prior: Callable[[int, int, int], AutoregressivePrior] = AutoregressivePrior,
    ) -> None:
        super().__init__(encoder)
        if encoder.conditions:
            raise ConfigError(
                "model.bottleneck: the codes' prior is told no condition, and model.conditioning asks for some; choose "
                "network/conditioning@model.conditioning=none"
            )
        for name, value in (("stages", stages), ("num_codes", num_codes), ("code_dim", code_dim)):
            at_least_one(name, value)
        if not 0 <= decay < 1:
            raise ConfigError(f"model.bottleneck.decay: {decay} is not within 0 and 1")
        self.dim = code_dim
        self.num_codes = num_codes
        self.commitment = commitment
        self.decay = decay
        self.revive_below = revive_below
        self.project = nn.Linear(encoder.num_features, code_dim)
        self.prior = prior(num_codes, stages, code_dim)
        self.codebooks: Tensor
        self.uses: Tensor
        self.register_buffer("codebooks", torch.randn(stages, num_codes, code_dim))
        self.register_buffer("uses", torch.zeros(stages, num_codes))  # moving averages; nothing is in use yet

    @property
    def apart(self) -> nn.Module:
        """The prior."""
        return self.prior

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Return the nearest codes, k times; in training, move the codebooks afterwards."""
        continuous = self._continuous(batch)
        codes, rests = self._quantise(continuous.detach())
        quantised = continuous.detach() - rests[-1]
        log_p = self.prior(codes, self.codebooks)
        if self.training and rng is not None and torch.is_grad_enabled():
            for stage, (rest, nearest) in enumerate(zip(rests[:-1], codes.T, strict=True)):
                self._follow(stage, rest, nearest, rng)
        commitment = self.commitment * (continuous - quantised).square().sum(1).mean()
        through = continuous + (quantised - continuous).detach()
        return Inference(
            {"codes": codes.expand(k, -1, -1)},
            {"codes": -log_p},
            lambda: log_p.sum(1).expand(k, -1),
            penalties={"commitment": commitment},
            decoder_input=through.expand(k, -1, -1),
        )

    def loss_apart(self, batch: Batch) -> Float[Tensor, ""]:
        """Return −log p(codes), nats."""
        training = self.encoder.training
        self.encoder.eval()  # as it will be used: without the statistics of this batch
        with torch.no_grad():
            codes, _ = self._quantise(self._continuous(batch))
        self.encoder.train(training)
        return -self.prior(codes, self.codebooks).sum(1).mean()

    def _continuous(self, batch: Batch) -> Float[Tensor, "num code_dim"]:
        return exact(self.project(self.encoder(batch.content, batch.given)))

    @torch.no_grad()
    def _quantise(
        self, vectors: Float[Tensor, "num code_dim"]
    ) -> tuple[Int[Tensor, "num stages"], list[Float[Tensor, "num code_dim"]]]:
        """Return the codes, what each stage had to quantise, and last what is left over."""
        rests, codes = [vectors], []
        with exactly(vectors):
            for codebook in self.codebooks:
                codes.append((codebook.square().sum(1) - 2 * rests[-1] @ codebook.T).argmin(1))
                rests.append(rests[-1] - F.embedding(codes[-1], codebook))
        return torch.stack(codes, 1), rests

    @torch.no_grad()
    def _follow(
        self, stage: int, vectors: Float[Tensor, "num code_dim"], codes: Int[Tensor, " num"], rng: torch.Generator
    ) -> None:
        """Move each code towards the mean of what it stood for; put unused ones on random vectors of this batch."""
        codebook, uses_before = self.codebooks[stage], self.uses[stage]
        used = torch.zeros_like(uses_before).index_add_(0, codes, torch.ones_like(vectors[:, 0]))
        sums = torch.zeros_like(codebook).index_add_(0, codes, vectors)
        spots = vectors[torch.randint(len(vectors), (len(codebook),), generator=rng, device=rng.device)]
        if torch.distributed.is_initialized():
            for value in (used, sums):
                torch.distributed.all_reduce(value)
            torch.distributed.broadcast(spots, 0)
        uniform = used.sum() / len(used)
        uses = torch.lerp(used, uses_before, self.decay)
        moved = (self.decay * uses_before.unsqueeze(1) * codebook + (1 - self.decay) * sums) / uses.unsqueeze(1)
        dead = (uses < self.revive_below * uniform).unsqueeze(1)
        codebook.copy_(torch.where(dead, spots, moved))
        uses_before.copy_(torch.where(dead.squeeze(1), uniform, uses))

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return codes of the prior."""
        return {"codes": self.prior.draw(num, self.codebooks, rng)}

    def decoder_input(self, latent: Latent) -> Float[Tensor, "*batch dim"]:
        """Return the sum of the codes' vectors."""
        places = torch.arange(len(self.codebooks), device=latent["codes"].device)
        return self.codebooks[places, latent["codes"]].sum(-2)
