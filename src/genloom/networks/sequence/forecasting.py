"""Networks of series: linear maps of the look-back, and backbones over its patches.

Zeng et al., Are Transformers Effective for Time Series Forecasting?, 2023: DLinear and NLinear; Nie et al., A Time
Series is Worth 64 Words, 2023: PatchTST.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import History
from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.errors import ConfigError
from genloom.limits import Count, PartialShare, Positive
from genloom.networks.sequence.base import Backbone, SeriesNetwork
from genloom.part import Part
from genloom.spec import Spec

Past = Float[Tensor, "batch look_back channels"]
Level = Float[Tensor, "batch 1 channels"]


class Unchanged(Part):
    """Leaves the past as the data scaled it."""

    def __call__(self, past: Past) -> tuple[Level, Level]:
        """Return an offset of 0 and a scale of 1."""
        return torch.zeros_like(past[:, :1]), torch.ones_like(past[:, :1])


class LastValue(Unchanged):
    """Subtracts the last value, as NLinear does: a level that changes over time is carried on."""

    def __call__(self, past: Past) -> tuple[Level, Level]:
        """Return the last value, and a scale of 1."""
        return past[:, -1:], torch.ones_like(past[:, :1])


class MeanStd(Unchanged):
    """Subtracts the look-back's mean, divides by its standard deviation.

    Kim et al., Reversible Instance Normalization, 2022, without the learned map.

    Args:
        eps: added to the variance, in scaled units, squared.
    """

    def __init__(self, *, eps: Positive = 1e-5) -> None:
        self.eps = eps

    def __call__(self, past: Past) -> tuple[Level, Level]:
        """Return mean and standard deviation."""
        variance, mean = torch.var_mean(past, dim=1, keepdim=True, correction=0)
        return mean, (variance + self.eps).sqrt()


class Forecaster(SeriesNetwork):
    """Normalises each look-back, predicts, and undoes it.

    Args:
        spec: of series.
        outputs: numbers per future value: a location, then logarithms of distances.
        normalise: gives offset and scale of a look-back.

    Raises:
        ConfigError: the data holds no series.
    """

    def __init__(self, spec: Spec, outputs: int, normalise: Callable[[Past], tuple[Level, Level]]) -> None:
        super().__init__()
        spec.check(self, "model.network")
        content = SeriesContent.of(spec.content)
        self.horizon, self.channels = content.shape
        self.season = content.season
        self.condition = HistoryCondition.of(spec.given["history"])
        self.outputs = outputs
        self.normalise = normalise

    def forward(self, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the outputs of each future value, in the units of the history."""
        offset, scale = self.normalise(history.past)
        location, *log_distances = self.predict((history.past - offset) / scale, history).unbind(-1)
        log_scale = scale.log()
        return torch.stack([location * scale + offset, *(each + log_scale for each in log_distances)], dim=-1)

    def predict(self, past: Past, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the outputs of each future value, normalised like ``past``."""
        raise NotImplementedError

    def by_channel(self, numbers: Tensor) -> Float[Tensor, "batch horizon channels outputs"]:
        """Sort numbers of shape (batch, channels, horizon · outputs) by step."""
        return numbers.unflatten(-1, (self.horizon, self.outputs)).transpose(1, 2)


class LookBackMap(nn.Module):
    """A linear map of each channel's look-back; one for all channels, or one for each.

    It starts as the mean of the look-back for locations, and as 0 for log-distances.

    Args:
        look_back: steps that are seen.
        horizon: steps that are predicted.
        outputs: numbers per step.
        maps: 1, or the number of channels.
    """

    def __init__(self, look_back: Count, horizon: Count, outputs: int, maps: int) -> None:
        super().__init__()
        weight = torch.zeros(maps, look_back, horizon, outputs)
        weight[..., 0] = 1 / look_back
        self.weight = nn.Parameter(weight.flatten(2))
        self.bias = nn.Parameter(torch.zeros(maps, 1, horizon * outputs))

    def forward(self, past: Past) -> Float[Tensor, "batch channels values"]:
        """Return the map of each channel."""
        weight = self.weight[0] if len(self.weight) == 1 else self.weight  # one product for all channels
        return (past.permute(2, 0, 1) @ weight + self.bias).transpose(0, 1)


def moving_average(past: Past, kernel: int) -> Past:
    """Return the mean of ``kernel`` steps around each step, the ends repeated beyond the look-back."""
    padded = F.pad(past.transpose(1, 2), (kernel // 2, kernel // 2), mode="replicate")
    return F.avg_pool1d(padded, kernel, stride=1).transpose(1, 2)


class Linear(Forecaster):
    """A linear map of the look-back; or one of its moving average and one of what remains.

    DLinear is the second without normalisation, NLinear the first on look-backs whose last value is subtracted.
    Covariates, where the data has any, add a linear map of all of them.

    Args:
        spec: of series.
        outputs: numbers per future value.
        normalise: gives offset and scale of a look-back.
        kernel: steps of the moving average; odd; None leaves the look-back whole.
        per_channel: whether each channel has maps of its own.

    Raises:
        ConfigError: the kernel is even.
    """

    def __init__(
        self,
        spec: Spec,
        outputs: int,
        *,
        normalise: Callable[[Past], tuple[Level, Level]],
        kernel: Count | None = None,
        per_channel: bool = False,
    ) -> None:
        super().__init__(spec, outputs, normalise)
        if kernel is not None and (kernel < 1 or kernel % 2 == 0):
            raise ConfigError(f"model.network.kernel: {kernel} is not odd, and so has no middle step; add 1")
        self.kernel = kernel
        condition = self.condition
        self.maps = nn.ModuleList(
            LookBackMap(condition.look_back, self.horizon, outputs, self.channels if per_channel else 1)
            for _ in range(1 if kernel is None else 2)
        )
        num_known = (
            condition.look_back * len(condition.past_covariates)
            + (condition.look_back + self.horizon) * len(condition.future_covariates)
            + len(condition.static_covariates)
        )
        self.covariates = nn.Linear(num_known, self.channels * self.horizon * outputs) if num_known else None
        if self.covariates is not None:
            nn.init.zeros_(self.covariates.weight)

    def parts(self, past: Past) -> list[Past]:
        """Return what is mapped: summands of the look-back."""
        if self.kernel is None:
            return [past]
        trend = moving_average(past, self.kernel)
        return [trend, past - trend]

    def predict(self, past: Past, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the sum of the maps."""
        numbers = torch.stack([each(part) for each, part in zip(self.maps, self.parts(past), strict=True)]).sum(0)
        if self.covariates is not None:
            known = [history.past_covariates, history.future_covariates, history.static_covariates]
            flat = torch.cat([each.flatten(1) for each in known if each is not None], dim=1)
            numbers = numbers + self.covariates(flat).unflatten(1, (self.channels, -1))
        return self.by_channel(numbers)


class Patches(Forecaster):
    """A backbone over patches of the look-back, each channel by itself.

    A patch holds the values of some steps and, where the data has them, the covariates of the same steps and of the
    series; the covariates that are known ahead go into the last map as well. Where patches do not fill the look-back,
    its first step is repeated.

    Args:
        spec: of series.
        outputs: numbers per future value.
        backbone: called without arguments. Positions are embedded for one that is not causal.
        normalise: gives offset and scale of a look-back.
        patch_length: steps of a patch.
        stride: steps from one patch to the next.
        flatten: whether the last map reads the backbone's outputs of all patches; else it reads those of the last.
        mask: whether a patch holds for each value whether it was observed.
        dropout: share of the patches' vectors and of the last map's input that is left out in training.

    Raises:
        ConfigError: a value is out of its limits; parts that do not fit, and then the message names both.
    """

    def __init__(
        self,
        spec: Spec,
        outputs: int,
        *,
        backbone: Callable[[], Backbone],
        normalise: Callable[[Past], tuple[Level, Level]],
        patch_length: Count = 16,
        stride: Count = 8,
        flatten: bool = True,
        mask: bool = False,
        dropout: PartialShare = 0.0,
    ) -> None:
        super().__init__(spec, outputs, normalise)
        condition, key = self.condition, "model.network"
        if not 1 <= patch_length <= condition.look_back:
            raise ConfigError(
                f"{key}.patch_length: {patch_length} is not within 1 and data.look_back={condition.look_back}; change "
                "one of the two"
            )
        if not 1 <= stride <= patch_length:
            raise ConfigError(
                f"{key}.stride: {stride} is not within 1 and {key}.patch_length={patch_length}, beyond which steps "
                "would be left out; change one of the two"
            )
        self.patch_length, self.stride = patch_length, stride
        self.num_patches = -(-(condition.look_back - patch_length) // stride) + 1
        self.padding = (self.num_patches - 1) * stride + patch_length - condition.look_back
        self.flatten, self.mask = flatten, mask
        self.backbone = backbone()
        self.attends = self.backbone.attends
        if self.backbone.context is not None and self.num_patches > self.backbone.context:
            raise ConfigError(
                f"{key}.backbone.context: {self.num_patches} patches of data.look_back={condition.look_back} are above "
                f"the limit of {self.backbone.context}; raise it, or {key}.stride"
            )
        self.num_known = len(condition.future_covariates)
        per_step = 1 + mask + len(condition.past_covariates) + self.num_known
        num_static = len(condition.static_covariates)
        self.embedding = nn.Linear(per_step * patch_length + num_static, self.backbone.width_in)
        if not self.backbone.causal:
            self.positions = nn.Parameter(0.02 * torch.randn(self.num_patches, self.backbone.width_in))
        self.dropout = nn.Dropout(dropout)
        features = self.backbone.width * (self.num_patches if flatten else 1)
        self.head = nn.Linear(features + self.horizon * self.num_known, self.horizon * outputs)

    def embed(self, past: Past, history: History) -> Float[Tensor, "examples patches width_in"]:
        """Return the backbone's input; examples are all channels of the first history, then of the next."""
        look_back = past.shape[1]
        columns = [past]
        if self.mask:
            columns.append(torch.ones_like(past) if history.observed is None else history.observed.to(past))
        own = torch.stack(columns, dim=-1).transpose(1, 2)  # of each channel: batch, channels, look-back, columns
        known = [history.past_covariates, history.future_covariates]
        shared = [self._for_channels(each[:, :look_back]) for each in known if each is not None]
        steps = torch.cat([own, *shared], dim=-1).flatten(0, 1).transpose(1, 2)
        padded = F.pad(steps, (self.padding, 0), mode="replicate")
        patches = padded.unfold(-1, self.patch_length, self.stride).transpose(1, 2).flatten(2)
        if history.static_covariates is not None:
            static = self._for_channels(history.static_covariates).flatten(0, 1)
            patches = torch.cat([patches, static.unsqueeze(1).expand(-1, self.num_patches, -1)], dim=-1)
        x = self.embedding(patches)
        return self.dropout(x if self.backbone.causal else x + self.positions)

    def predict(self, past: Past, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the outputs of each channel by itself."""
        hidden = self.backbone(self.embed(past, history))
        hidden = hidden.flatten(1) if self.flatten else hidden[:, -1]
        features = self.dropout(hidden).unflatten(0, (-1, self.channels))
        if history.future_covariates is not None:
            known = history.future_covariates[:, -self.horizon :].flatten(1)
            features = torch.cat([features, self._for_channels(known)], dim=-1)
        return self.by_channel(self.head(features))

    def attention(self, history: History) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each patch looks at each one, in every layer, averaged over heads and channels."""
        offset, scale = self.normalise(history.past)
        maps = self.backbone.attention(self.embed((history.past - offset) / scale, history))
        return maps.unflatten(1, (-1, self.channels)).mean(2)

    def _for_channels(self, values: Any) -> Tensor:
        """Repeat values of shape (batch, …) for each channel: (batch, channels, …)."""
        return values.unsqueeze(1).expand(-1, self.channels, *values.shape[1:])
