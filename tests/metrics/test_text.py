"""Numbers of text: golden values, the protocol around them, and that nothing else is drawn."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torchmetrics.functional.text import bleu_score

from genloom import randomness
from genloom.data.texts.text import FromBytes, FromCharacters, Text
from genloom.distributions.outputs.categorical import Categorical
from genloom.errors import ConfigError
from genloom.extractors.features import Pixels
from genloom.judging.candidate import Candidate, Unpaired, candidates_of
from genloom.judging.judge import Judge
from genloom.judging.verdict import Verdict
from genloom.metrics.frechet import FrechetDistance
from genloom.metrics.likelihood import LatentActivity, Likelihood
from genloom.metrics.text import _BASE, TextLikelihood, TextSamples, _hashes, _ratio, copied_share, distinct, self_bleu
from genloom.models.sequence import SequenceBaseline
from genloom.networks.baselines.ngram import NGram

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "log", "and", "then", "again", "quietly"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chosen = torch.randint(0, len(WORDS), (3000,), generator=torch.Generator().manual_seed(0)).tolist()
    path = tmp_path / "text.txt"
    path.write_text("".join(WORDS[word] + ("\n" if place % 9 == 8 else " ") for place, word in enumerate(chosen)))
    return path


@pytest.fixture
def data(file: Path) -> Text:
    return Text(path=file, vocabulary=FromCharacters(), length=20, context=10, batch_size=16)


@pytest.fixture
def build() -> Callable[[Text], SequenceBaseline]:
    """An n-gram model that has counted nothing yet: all tokens are alike."""

    def make(data: Text) -> SequenceBaseline:
        return SequenceBaseline(
            data.describe(),
            network=partial(NGram, order=3),
            output=Categorical,
            optimizer={"parameters": partial(torch.optim.SGD, lr=1.0)},
        )

    return make


def judged(data: Text, model: Any, *metrics: Any, tmp_path: Path, **candidates: Candidate) -> Verdict:
    judge = Judge({}, {type(metric).__name__: metric for metric in metrics}, num_samples=10**6, cache_dir=tmp_path)
    return judge.judge(
        data, candidates or candidates_of(model, model.weight_sets, seed=0, examples=lambda: data.split("test"))
    )


@pytest.mark.parametrize("vocabulary", [FromCharacters, FromBytes])
def test_uniform_predictions(file: Path, tmp_path: Path, build: Any, vocabulary: Any) -> None:
    file.write_text(file.read_text().replace("log", "läg"))  # ä is two bytes
    data = Text(path=file, vocabulary=vocabulary(), length=20, context=10)
    size = data.content().vocabulary.size
    row = judged(data, build(data), TextLikelihood(batch_size=7), tmp_path=tmp_path)
    assert row["nats_per_token"].scores["raw"].value == pytest.approx(math.log(size))
    assert row["perplexity"].scores["raw"].value == pytest.approx(size)
    held = data.content().vocabulary.decode(data.modelled("test").text)
    tokens = len(held) if vocabulary is FromCharacters else len(held.encode())
    bits = row["bits_per_character"].scores["raw"]
    assert bits.details == {"tokens": tokens, "characters": len(held)}
    assert bits.value == pytest.approx(math.log2(size) * tokens / len(held))
    assert (vocabulary is FromCharacters) == (tokens == len(held))


def test_likelihood_counts_each_token_once_and_has_an_interval(
    data: Text, tmp_path: Path, build: Any, fit: Any
) -> None:
    model = build(data)
    assert fit(model, data, max_steps=5).global_step == 1
    score = judged(data, model, TextLikelihood(), tmp_path=tmp_path)["nats_per_token"].scores["raw"]
    windows = data.modelled("test")
    with torch.no_grad():  # the same text, scored in one piece
        tokens = windows.rows[int(windows.origin or 0) - 10 :].long()[None]
        prompt, content = tokens[:, :10], tokens[:, 10:]
        whole = model.network(prompt, content).gather(-1, content.unsqueeze(-1)).mean().item()
    assert score.value == pytest.approx(-whole, rel=1e-5)
    assert score.interval is not None and score.interval[0] < score.value < score.interval[1]
    assert score.value < math.log(model.network.size) / 2


def test_a_hopeless_model_has_an_infinite_perplexity_and_no_traceback(data: Text, tmp_path: Path, build: Any) -> None:
    model = build(data)
    model.log_prob = lambda batch, **_: torch.full((len(batch),), -1e6)
    row = judged(data, model, TextLikelihood(), tmp_path=tmp_path)
    assert row["perplexity"].scores["raw"].value == math.inf and row["nats_per_token"].scores["raw"].value > 1e4


def test_intervals_are_those_of_a_mean_and_of_a_ratio() -> None:
    rng = torch.Generator().manual_seed(0)
    totals, counts = torch.rand(30, generator=rng).double() * 9, torch.randint(5, 12, (30,), generator=rng).double()
    ratio, half = _ratio(totals, torch.full((30,), 4.0))  # as many tokens in each window: a mean
    low, high = stats.norm.interval(0.95, (totals / 4).mean(), stats.sem(totals / 4))
    assert (ratio - half, ratio + half) == pytest.approx((low, high), rel=1e-4)
    ratio, half = _ratio(totals, counts)
    (var_t, cov), (_, var_c) = np.cov(totals, counts)  # the delta method, by moments
    r = totals.mean().item() / counts.mean().item()
    error = ((var_t - 2 * r * cov + r**2 * var_c) / 30) ** 0.5 / counts.mean().item()
    assert (ratio, half) == pytest.approx((r, stats.norm.ppf(0.975) * error), rel=1e-4)
    two = totals[:2] / 4
    ratio, half = _ratio(totals[:2], torch.full((2,), 4.0))
    assert (ratio, half) == pytest.approx((two.mean().item(), stats.norm.ppf(0.975) * stats.sem(two)), rel=1e-4)
    assert _ratio(totals[:1], counts[:1])[1] == math.inf


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_variety_of_words() -> None:
    assert distinct(words("a a a a"), 1) == 0.25
    assert distinct(words("a b a b"), 2) == pytest.approx(2 / 3)
    assert distinct(words("a b", "b c"), 2) == 1  # no pair across two texts
    assert math.isnan(distinct(words("a"), 2))
    assert self_bleu(words("one two three four five") * 3, 4) == 1
    assert self_bleu(words("a b", "c d"), 2) == 0


@pytest.mark.parametrize("longest", [1, 2, 4])
def test_self_bleu_is_that_of_an_independent_implementation(longest: int) -> None:
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randint(6, 15, (12,), generator=rng).tolist()
    texts = [[WORDS[word] for word in torch.randint(0, 4, (length,), generator=rng)] for length in lengths]
    lines = [" ".join(words) for words in texts]
    others = [lines[:i] + lines[i + 1 :] for i in range(len(lines))]
    assert self_bleu(texts, longest) == pytest.approx(bleu_score(lines, others, n_gram=longest).item(), rel=1e-5)


@pytest.mark.parametrize(("longest", "wanted"), [(1, 0.8888888888888888), (2, 0.8777074514725111)])
def test_self_bleu_holds_a_text_against_the_shorter_of_two_that_are_equally_near_in_length(longest, wanted) -> None:
    """nltk 3.10.4: corpus_bleu(the other texts of each, the texts, weights=[1 / longest] * longest)."""
    assert self_bleu(words("a b c d e f g h", "a b c d e f", "a b c d"), longest) == pytest.approx(wanted, rel=1e-12)


def test_self_bleu_of_texts_shorter_than_their_nearest_others_is_less() -> None:
    """All words match; 20 words beside 24 of the references that are nearest in length: exp(1 − 24 / 20)."""
    texts = words("a b c d", "a b c d a b c d", "a b c d a b c d")
    assert self_bleu(texts, 1) == pytest.approx(math.exp(-0.2))
    lines = [" ".join(each) for each in texts]
    others = [lines[:i] + lines[i + 1 :] for i in range(3)]
    assert self_bleu(texts, 1) == pytest.approx(bleu_score(lines, others, n_gram=1).item(), rel=1e-5)


def test_copies_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "".join(chr(ord("a") + (i * i) % 23) for i in range(500)) + "über alles"
    assert copied_share([source[100:130], "über alles"], source, 10) == 1
    assert copied_share(["z" * 30], source, 10) == 0
    assert copied_share([source[100:110] + "z"], source, 10) == 0.5
    assert math.isnan(copied_share(["short"], source, 10))
    wanted = copied_share([source[90:150] + source[3:20][::-1]], source, 5)
    brute = source[90:150] + source[3:20][::-1]
    assert wanted == sum(brute[i : i + 5] in source for i in range(len(brute) - 4)) / (len(brute) - 4)
    monkeypatch.setattr("genloom.metrics.text._CHUNK", 16)  # no stretch is lost between two parts of the source
    assert copied_share([source[90:150] + source[3:20][::-1]], source, 5) == wanted


def test_stretches_are_hashed_as_polynomials() -> None:
    """Σ x_i b^(num − 1 − i) modulo 2⁶⁴, by Python's whole numbers."""
    text, base = "straße 𝄞", int(_BASE)
    for num in (1, 3, 8):
        wanted = [
            sum(ord(each) * base ** (num - 1 - i) for i, each in enumerate(text[first : first + num])) % 2**64
            for first in range(len(text) - num + 1)
        ]
        assert _hashes(text, num).tolist() == wanted
    assert len(_hashes(text, 9)) == len(_hashes("", 2)) == 0


def test_samples_stand_beside_real_text(data: Text, tmp_path: Path, build: Any, fit: Any) -> None:
    model = build(data)
    fit(model, data, max_steps=5)
    metric = TextSamples(num=8, length=60, copied_characters=8)
    verdict = judged(data, model, metric, tmp_path=tmp_path)
    again = judged(data, model, metric, tmp_path=tmp_path)
    assert verdict.to_dict()["metrics"] == again.to_dict()["metrics"]  # keyed, not consumed
    assert [row.metric for row in verdict.rows] == list(TextSamples.quantities)
    assert all(row.floor is not None and 0 <= row.scores["raw"].value <= 1 for row in verdict.rows)
    held = data.content().vocabulary.decode(data.modelled("test").text)
    step = len(held) // 8
    passages = [held[i * step : i * step + 60].split() for i in range(8)]
    assert verdict["distinct_1"].floor is not None
    assert verdict["distinct_1"].floor.value == distinct(passages, 1)
    random = judged(data, build(data), metric, tmp_path=tmp_path)  # letters without sense
    assert random["copied_share"].scores["raw"].value == 0 < verdict["copied_share"].scores["raw"].value
    assert random["distinct_1"].scores["raw"].value > verdict["distinct_1"].scores["raw"].value
    plain = verdict.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["protocol"]["data"]["content"] == {"length": 20, "vocabulary": {"kind": "characters", "size": 19}}


def test_a_short_held_out_text_gives_fewer_passages(data: Text, tmp_path: Path, build: Any) -> None:
    verdict = judged(data, build(data), TextSamples(num=50, length=100), tmp_path=tmp_path)
    floor = verdict["distinct_1"].floor
    assert floor is not None and floor.details["texts"] == len(data.modelled("test").text) // 100


def test_the_random_state_is_untouched(data: Text, tmp_path: Path, build: Any) -> None:
    randomness.seed_globally(3)
    before = torch.rand(1)
    randomness.seed_globally(3)
    judged(data, build(data), TextSamples(num=4, length=30), TextLikelihood(), tmp_path=tmp_path)
    assert torch.equal(torch.rand(1), before)


def refuse(num: int) -> Any:
    raise AssertionError(f"{num} samples were drawn, which nobody looks at")


def test_nothing_is_drawn_where_no_comparison_looks(data: Text, tmp_path: Path, build: Any) -> None:
    model = build(data)
    candidate = Candidate({"samples": Unpaired(refuse)}, model)
    verdict = judged(data, model, TextLikelihood(), tmp_path=tmp_path, raw=candidate)
    assert verdict.protocol.reference is None and verdict.protocol.n_fake == verdict.protocol.n_reference == 0

    pictures = Judge({"pixels": Pixels(16)}, {"fd": FrechetDistance()}, cache_dir=tmp_path)
    verdict = pictures.judge(data, {"raw": candidate})
    assert [(item.metric, item.reason) for item in verdict.not_applicable] == [
        ("fd", "made for pictures, and the data holds texts")
    ]


def test_what_does_not_fit_is_said(data: Text, tmp_path: Path, build: Any, tiny_data: Any, tiny_vae: Any) -> None:
    reasons = {
        item.metric: item.reason
        for item in judged(data, build(data), Likelihood(), LatentActivity(), tmp_path=tmp_path).not_applicable
    }
    assert reasons["nll_bound"] == "made for values of one shape, and the data holds texts; metrics=text measures them"
    assert reasons["active_units"] == "the model has no latent"
    vae = judged(tiny_data, tiny_vae(), TextLikelihood(), TextSamples(), tmp_path=tmp_path)
    assert not vae.rows and {item.reason for item in vae.not_applicable} == {
        "made for texts, and the data holds pictures"
    }


def test_limits_are_named() -> None:
    for name, value, limit in (("num", 1, 2), ("length", 0, 1), ("copied_characters", 0, 1)):
        with pytest.raises(
            ConfigError, match=rf"metrics.metrics.samples.{name}: {value} is below the limit of {limit}"
        ):
            TextSamples(**{name: value})
