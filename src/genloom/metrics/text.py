"""How well a model predicts a text, and what the texts are like that it writes.

Words are what white space separates, so that samples of every vocabulary are measured alike.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt64
from torch import Tensor

from genloom import randomness
from genloom.contents.base import Content
from genloom.contents.text import TextContent, TextWindows
from genloom.errors import ConfigError
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count
from genloom.models.abilities import Continues, Samples, Scores
from genloom.samplers.tokens import stream

_CHUNK = 2**20  # characters of the training text that are looked through at once
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no character is lost from a hash


@dataclass(frozen=True)
class TextLikelihood(Measurement):
    """Minus the mean log-probability of a token, each scored once; its exponential; and the bits of a character.

    The interval takes the windows for independent, though neighbours are of one text.

    Args:
        batch_size: windows at once.
    """

    kind = TextContent
    requires = Scores
    quantities: ClassVar = {
        "nats_per_token": Direction.LOWER,
        "perplexity": Direction.LOWER,
        "bits_per_character": Direction.LOWER,
    }

    batch_size: Count = 64

    def measure(self, model: Scores, held: Held) -> dict[str, Score]:
        """Return all three."""
        content = TextContent.of(model.spec.content)
        rng = randomness.generator("likelihood", device=model.device)
        nats: list[Tensor] = []
        tokens: list[int] = []
        characters: list[int] = []
        for batch in model.spec.batches(held.examples, self.batch_size):
            nats.append(-model.log_prob(batch, num_samples=1, rng=rng).double().cpu())
            scored = torch.ones_like(batch.content, dtype=torch.bool) if batch.mask is None else batch.mask
            for window, mask in zip(batch.content, scored, strict=True):
                tokens.append(int(mask.sum()))
                characters.append(content.vocabulary.characters(window[mask]))
        windows = torch.cat(nats)
        per_token, half = _ratio(windows, torch.tensor(tokens).double())
        per_character, half_character = (value / math.log(2) for value in _ratio(windows, torch.tensor(characters)))
        details = {"tokens": sum(tokens), "characters": sum(characters)}
        interval = per_token - half, per_token + half
        # infinite, not an error, of a model that is hopeless
        perplexity, lower, upper = torch.tensor([per_token, *interval]).double().exp().tolist()
        return {
            "nats_per_token": Score(per_token, interval, details),
            "perplexity": Score(perplexity, (lower, upper)),
            "bits_per_character": Score(
                per_character, (per_character - half_character, per_character + half_character), details
            ),
        }


def _ratio(totals: Float64[Tensor, " num"], counts: Tensor) -> tuple[float, float]:
    """Return Σ totals / Σ counts, and half the width of its 95 % interval: by the delta method over the windows."""
    ratio = totals.sum() / counts.sum()
    residuals = totals - ratio * counts
    num = len(totals)
    deviation = (
        (residuals.square().sum() * num / (num - 1)).sqrt() / counts.sum() if num > 1 else torch.tensor(math.inf)
    )
    return ratio.item(), 1.96 * deviation.item()


@dataclass(frozen=True)
class TextSamples(Measurement):
    """Variety of the texts that a model writes, and how much of them it has copied; real text beside them.

    - ``distinct_n``: different n-grams of words among all n-grams of words of all texts together; Li et al., A
      Diversity-Promoting Objective Function for Neural Conversation Models, 2016, https://arxiv.org/abs/1510.03055.
    - ``self_bleu_2``: BLEU, up to pairs of words, of all texts, each held against all others; 1 if all are the same;
      Zhu et al., Texygen, 2018, https://arxiv.org/abs/1802.01886.
    - ``copied_share``: of all stretches of ``copied_characters`` characters, the share that stands in the training
      text, letter by letter.

    Real text repeats itself as well: the floor is the same of as many passages of as many tokens, at even distances in
    the held-out text. (Where that is too short for as many, there are fewer, as the floor's details say; they then
    repeat themselves less.)

    Args:
        num: texts that are drawn, each after the prompt of an unprompted sample.
        length: tokens of each.
        copied_characters: see above.
    """

    kind = TextContent
    requires = Samples
    quantities: ClassVar = {
        "distinct_1": Direction.NONE,
        "distinct_2": Direction.NONE,
        "distinct_3": Direction.NONE,
        "self_bleu_2": Direction.NONE,
        "copied_share": Direction.NONE,
    }

    num: Count = 64
    length: Count = 256
    copied_characters: Count = 20

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("num", self.num, 2),
            ("length", self.length, 1),
            ("copied_characters", self.copied_characters, 1),
        ):
            if value < limit:
                raise ConfigError(f"metrics.metrics.samples.{name}: {value} is below the limit of {limit}")

    def measure(self, model: Continues, held: Held) -> dict[str, Score]:
        """Draw, and return all five."""
        rng = randomness.generator("text samples")
        prompt = model.draw_given(self.num, rng)["prompt"]
        content = TextContent.of(model.spec.content)
        drawn = torch.stack(list(stream(model, prompt, self.length, rng=rng)), dim=1).cpu()
        texts = [content.vocabulary.decode(tokens) for tokens in drawn]
        return self._scores(texts, content, held)

    def floor(self, content: Content, held: Held) -> dict[str, Score]:
        """Return the same of the held-out text."""
        assert isinstance(held.examples, TextWindows)
        decode = TextContent.of(content).vocabulary.decode
        tokens = held.examples.text
        num = max(1, min(self.num, len(tokens) // self.length))
        first = torch.arange(num) * (len(tokens) // num)
        return self._scores(
            [decode(tokens[a : a + self.length]) for a in first.tolist()], TextContent.of(content), held
        )

    def _scores(self, texts: list[str], content: TextContent, held: Held) -> dict[str, Score]:
        train = held.train()
        assert isinstance(train, TextWindows)
        words = [text.split() for text in texts]
        details = {"texts": len(texts), "words": sum(map(len, words))}
        return {
            **{f"distinct_{n}": Score(distinct(words, n), details=details) for n in (1, 2, 3)},
            "self_bleu_2": Score(self_bleu(words, 2)),
            "copied_share": Score(copied_share(texts, content.vocabulary.decode(train.text), self.copied_characters)),
        }


def _grams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Return the share of different n-grams among those of all texts; NaN if no text has as many words."""
    grams = [gram for words in texts for gram in _grams(words, n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[Sequence[str]], longest: int) -> float:
    """Return the BLEU, up to n-grams of ``longest`` words, of all texts together, each held against all others.

    Papineni et al., BLEU, 2002: the geometric mean of the shares of n-grams that stand in another text (as often, in
    one of them), times exp(1 − r / c) if c, the words of the texts, are fewer than r, those of the references that are
    nearest in length, the shorter of two that are equally near.
    """
    logs = 0.0
    for n in range(1, longest + 1):
        counts = [Counter(_grams(words, n)) for words in texts]
        most: dict[tuple[str, ...], list[int]] = {}  # the two highest counts of each n-gram in a text
        for count in counts:
            for gram, times in count.items():
                most[gram] = sorted((*most.get(gram, (0, 0)), times))[1:]
        others = ((times, most[gram]) for count in counts for gram, times in count.items())
        matched = sum(min(times, second if times == highest else highest) for times, (second, highest) in others)
        if not matched:
            return 0.0
        logs += math.log(matched / sum(count.total() for count in counts)) / longest
    lengths = [len(words) for words in texts]
    nearest = sum(
        min((other for j, other in enumerate(lengths) if j != i), key=lambda other, own=own: (abs(other - own), other))
        for i, own in enumerate(lengths)
    )
    return math.exp(logs + min(0.0, 1 - nearest / sum(lengths)))


def copied_share(texts: Sequence[str], source: str, num: int) -> float:
    """Return the share of stretches of ``num`` characters that stand in ``source``; NaN if no text is as long.

    Stretches are compared by a 64-bit hash.
    """
    hashes = np.concatenate([_hashes(text, num) for text in texts])
    if not len(hashes):
        return math.nan
    wanted, times = np.unique(hashes, return_counts=True)
    found = np.zeros(len(wanted), dtype=bool)
    for first in range(0, len(source), _CHUNK):
        found |= _among(_hashes(source[first : first + _CHUNK + num - 1], num), wanted)
    return float(times[found].sum() / times.sum())


def _hashes(text: str, num: int) -> UInt64[np.ndarray, " stretches"]:
    """Return Σ x_i b^(num − 1 − i) modulo 2⁶⁴ of each stretch of ``num`` characters."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashes = np.zeros(max(0, len(points) - num + 1), dtype=np.uint64)
    for i in range(num):
        hashes = hashes * _BASE + points[i : i + len(hashes)]
    return hashes


def _among(
    given: UInt64[np.ndarray, " stretches"], wanted: UInt64[np.ndarray, " wanted"]
) -> Bool[np.ndarray, " wanted"]:
    """Return which of ``wanted``, sorted, are given."""
    place = np.searchsorted(wanted, given).clip(max=len(wanted) - 1)
    found = np.zeros(len(wanted), dtype=bool)
    found[place[wanted[place] == given]] = True
    return found
