"""Discrete latents: a few slots, each holding one vector of a shared codebook."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, Latent
from genloom.bottlenecks.base import Bottleneck, Inference, at_least_one
from genloom.errors import ConfigError
from genloom.networks.autoregressive import AutoregressivePrior
from genloom.networks.conditioning import ConditionalEncoder


class VectorQuantised(Bottleneck):
    """q puts all its weight on the nearest codes; p(codes) is learned beside, autoregressively.

    van den Oord et al., Neural Discrete Representation Learning (VQ-VAE), 2017: straight-through gradient (section
    3.2) and a codebook of moving averages (appendix A.1). Since q is certain, its divergence to the prior is
    −log p(codes), so reconstruction plus divergence is a bound on −log p(x), in nats, and the prior learns in the same
    run; its gradient ends at the codes. Slots are linear in the encoder's features (Kaiser et al., Fast Decoding in
    Sequence Models, 2018, section 3.2), so they need not be places of an image. Codes that are hardly used are put
    where some content is (Dhariwal et al., Jukebox, 2020, appendix B.1).

    Args:
        encoder: see :class:`~genloom.bottlenecks.base.Bottleneck`.
        slots: codes per example.
        num_codes: vectors of the codebook.
        code_dim: their length.
        commitment: weight of the squared distance between a feature and its code, summed over an example's.
        decay: of the moving averages, per update.
        revive_below: a code with less than this share of a uniform use is put elsewhere.
        prior: called as ``prior(num_codes, slots)``.
    """

    certain = True

    def __init__(
        self,
        encoder: ConditionalEncoder,
        *,
        slots: int = 32,
        num_codes: int = 256,
        code_dim: int = 16,
        commitment: float = 0.25,
        decay: float = 0.99,
        revive_below: float = 0.05,
        prior: Callable[[int, int], AutoregressivePrior] = AutoregressivePrior,
    ) -> None:
        super().__init__(encoder)
        if encoder.conditional:
            raise ConfigError(
                "model.bottleneck: the codes' prior is told no class, and model.conditioning asks for one; choose "
                "network/conditioning@model.conditioning=none"
            )
        for name, value in (("slots", slots), ("num_codes", num_codes), ("code_dim", code_dim)):
            at_least_one(name, value)
        if not 0 <= decay < 1:
            raise ConfigError(f"model.bottleneck.decay: {decay} is not within 0 and 1")
        self.dim = slots * code_dim
        self.num_codes = num_codes
        self.commitment = commitment
        self.decay = decay
        self.revive_below = revive_below
        self.shape = (slots, code_dim)
        self.project = nn.Linear(encoder.num_features, self.dim)
        self.prior = prior(num_codes, slots)
        self.codebook: Tensor
        self.uses: Tensor
        self.register_buffer("codebook", torch.randn(num_codes, code_dim))
        self.register_buffer("uses", torch.zeros(num_codes))  # moving averages; nothing is in use yet

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Return the nearest codes, k times; in training, move the codebook afterwards."""
        continuous = self.project(self.encoder(batch.content, batch.condition)).unflatten(1, self.shape)
        codes = self._nearest(continuous.detach().flatten(0, 1)).unflatten(0, continuous.shape[:2])
        quantised = F.embedding(codes, self.codebook)
        commitment = self.commitment * (continuous - quantised).square().sum((1, 2)).mean()
        through = continuous + (quantised - continuous).detach()
        log_p = self.prior(codes)
        if self.training and rng is not None and torch.is_grad_enabled():
            self._follow(continuous.detach().flatten(0, 1), codes.flatten(), rng)
        return Inference(
            {"codes": codes.expand(k, -1, -1)},
            {"codes": -log_p},
            lambda: log_p.sum(1).expand(k, -1),
            penalties={"commitment": commitment},
            decoder_input=through.flatten(1).expand(k, -1, -1),
        )

    def _nearest(self, vectors: Float[Tensor, "num code_dim"]) -> Int[Tensor, " num"]:
        distances = self.codebook.square().sum(1) - 2 * vectors @ self.codebook.T
        return distances.argmin(1)

    @torch.no_grad()
    def _follow(self, vectors: Float[Tensor, "num code_dim"], codes: Int[Tensor, " num"], rng: torch.Generator) -> None:
        """Move each code towards the mean of what it stood for; put unused ones on random vectors of this batch."""
        used = torch.bincount(codes, minlength=len(self.codebook)).to(vectors)
        sums = torch.zeros_like(self.codebook).index_add_(0, codes, vectors)
        spots = vectors[torch.randint(len(vectors), (len(self.codebook),), generator=rng, device=rng.device)]
        if torch.distributed.is_initialized():
            for value in (used, sums):
                torch.distributed.all_reduce(value)
            torch.distributed.broadcast(spots, 0)
        uniform = used.sum() / len(used)
        uses = torch.lerp(used, self.uses, self.decay)
        moved = (self.decay * self.uses.unsqueeze(1) * self.codebook + (1 - self.decay) * sums) / uses.unsqueeze(1)
        dead = (uses < self.revive_below * uniform).unsqueeze(1)
        self.codebook.copy_(torch.where(dead, spots, moved))
        self.uses.copy_(torch.where(dead.squeeze(1), uniform, uses))

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return codes of the prior."""
        return {"codes": self.prior.draw(num, rng)}

    def decoder_input(self, latent: Latent) -> Float[Tensor, "*batch dim"]:
        """Return the codes' vectors side by side."""
        return F.embedding(latent["codes"], self.codebook).flatten(-2)
