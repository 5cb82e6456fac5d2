"""The n-gram model against a dictionary of counts, and as a network that is saved, loaded and sampled."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from genloom.contents.vector import VectorContent
from genloom.data.texts.text import FromCharacters, FromPieces, Text
from genloom.distributions.outputs.categorical import Categorical
from genloom.errors import ConfigError
from genloom.networks.baselines.ngram import NGram
from genloom.spec import Spec

TEXT = "the cat sat on the mat; the dog sat on the log.\n" * 3 + "a cat is not a dog, and that is that!\n" * 2


@pytest.fixture
def data(tmp_path: Path) -> Text:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return Text(path=path, vocabulary=FromCharacters(), length=12, context=5, val_fraction=0, test_fraction=0.1)


def solved(data: Text, **changes: Any) -> NGram:
    spec = data.describe()
    network = NGram(spec, outputs=Categorical(spec).num_outputs, **{"order": 3, **changes})
    train, val = (list(spec.batches(data.modelled(split), 7)) for split in ("train", "val"))
    found = network.solve(train, val)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(found[name])
    return network


def by_dictionary(text: str, symbols: str, order: int, discount: float | None, continuation: bool) -> Any:
    """Return p(token|context), by the formula, one probability at a time."""
    grams = Counter(text[i : i + order + 1] for i in range(len(text) - order))
    counts = {order: grams}
    for m in reversed(range(order)):
        counts[m] = Counter()
        for gram, count in counts[m + 1].items():
            counts[m][gram[1:]] += 1 if continuation else count
    discounts = {}
    for m, table in counts.items():
        once, twice = (sum(count == n for count in table.values()) for n in (1, 2))
        discounts[m] = discount or (once / (once + 2 * twice) if once and twice else 0.5)

    def p(token: str, context: str, m: int = order) -> float:
        if m < 0:
            return 1 / len(symbols)
        h = context[len(context) - m :]
        followers = [counts[m][h + symbol] for symbol in symbols if counts[m][h + symbol]]
        lower = p(token, context, m - 1)
        if len(h) < m or not followers:
            return lower
        seen = max(counts[m][h + token] - discounts[m], 0)
        return (seen + discounts[m] * len(followers) * lower) / sum(followers)

    return p


@pytest.mark.parametrize("discount", [None, 0.75])
@pytest.mark.parametrize("continuation", [False, True])
@pytest.mark.parametrize("order", [1, 3])
def test_it_equals_a_dictionary_of_counts(data: Text, order: int, discount: float | None, continuation: bool) -> None:
    network = solved(data, order=order, discount=discount, continuation=continuation)
    vocabulary = data.content().vocabulary
    symbols = vocabulary.symbols  # pyright: ignore[reportAttributeAccessIssue]
    p = by_dictionary(TEXT[: int(len(TEXT) * 0.9)], symbols, order, discount, continuation)
    prompt, content = "tha", "t is a log\n"
    with torch.no_grad():
        found = network(vocabulary.encode(prompt)[None], vocabulary.encode(content)[None])[0].exp()
    text = prompt + content
    wanted = [[p(token, text[: len(prompt) + i]) for token in symbols] for i in range(len(content))]
    assert torch.allclose(found, torch.tensor(wanted), atol=1e-6)


def test_probabilities_sum_to_one_and_a_softmax_keeps_them(data: Text) -> None:
    network = solved(data)
    tokens = torch.randint(0, network.size, (5, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = network(tokens[:, :1], tokens[:, 1:])
    assert torch.allclose(outputs.exp().sum(-1), torch.ones(5, 8), atol=1e-6)
    assert (outputs > -torch.inf).all()
    assert torch.allclose(outputs.log_softmax(-1), outputs, atol=1e-6)


def test_followers_of_each_context_lie_between_two_offsets(data: Text) -> None:
    network = solved(data)
    for m in range(4):
        contexts, offsets, counts = (network._table(name, m) for name in ("contexts", "offsets", "counts"))
        assert len(offsets) == len(contexts) + 1
        assert offsets[0] == 0 and offsets[-1] == len(counts) and (offsets.diff() > 0).all()


def test_token_by_token_is_the_same(data: Text) -> None:
    network = solved(data)
    tokens = torch.randint(0, network.size, (4, 10), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network(tokens[:, :1], tokens[:, 1:])
        outputs, state = network.start(tokens[:, :2], 10)
        assert torch.equal(outputs, whole[:, 1])
        for place in range(2, 9):
            outputs, state = network.step(tokens[:, place], state)
            assert torch.equal(outputs, whole[:, place])


def test_before_a_short_prompt_stands_nothing_and_no_first_symbol(data: Text) -> None:
    network = solved(data)
    every = torch.arange(network.size).unsqueeze(1)
    with torch.no_grad():
        assert torch.equal(network.start(every, 10)[0], network(every, every)[:, 0])


def test_a_future_token_changes_no_earlier_probability(data: Text) -> None:
    network = solved(data)
    tokens = torch.randint(0, network.size, (1, 10), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 6] = (changed[0, 6] + 1) % network.size
    with torch.no_grad():
        one, other = (network(each[:, :1], each[:, 1:]) for each in (tokens, changed))
    assert torch.equal(one[:, :6], other[:, :6]) and not torch.equal(one[:, 6:], other[:, 6:])


def test_it_loads_strictly_from_plain_data(data: Text, tmp_path: Path) -> None:
    network = solved(data)
    torch.save(
        {"state_dict": {f"network.{name}": value for name, value in network.state_dict().items()}}, tmp_path / "n"
    )
    fresh = torch.nn.ModuleDict({"network": NGram(data.describe(), outputs=network.size, order=3)})
    fresh.load_state_dict(torch.load(tmp_path / "n", weights_only=True)["state_dict"], strict=True)
    tokens = torch.randint(0, network.size, (2, 8), generator=torch.Generator().manual_seed(0))
    arguments = tokens[:, :1], tokens[:, 1:]
    assert torch.equal(fresh["network"](*arguments), network(*arguments))
    with pytest.raises(RuntimeError, match="Missing key"):
        fresh.load_state_dict({}, strict=True)


def test_every_token_is_counted_once_however_the_text_is_batched(data: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    network = solved(data)
    assert int(network._table("counts", 3).sum()) == int(len(TEXT) * 0.9) - 3  # before three tokens not three stand
    monkeypatch.setattr("genloom.networks.baselines.ngram._COUNTED_AT_ONCE", 20)
    other = solved(data).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in network.state_dict().items())


def test_before_counting_all_tokens_are_alike(data: Text) -> None:
    spec = data.describe()
    network = NGram(spec, outputs=Categorical(spec).num_outputs)
    outputs, _ = network.start(torch.zeros(2, 1, dtype=torch.int64), 5)
    assert torch.allclose(outputs.exp(), torch.tensor(1 / network.size))


def test_limits_are_named(data: Text) -> None:
    spec = data.describe()
    size = Categorical(spec).num_outputs
    for changes, match in (
        ({"order": 0}, r"model.network.order: 0 is not within 1 and 13, the limit for 19 tokens"),
        ({"order": 14}, r"model.network.order: 14 is not within 1 and 13"),
        ({"discount": 0.0}, r"model.network.discount: 0.0 is not above 0 and at most 1"),
        ({"outputs": size + 1}, rf"model.output: it takes {size + 1} numbers per token; NGram gives {size}"),
    ):
        with pytest.raises(ConfigError, match=match):
            NGram(spec, **{"outputs": size, **changes})
    with pytest.raises(ConfigError, match=r"NGram is made for texts, and data.name=ring holds points"):
        NGram(Spec("ring", VectorContent(2)), outputs=2)
    with pytest.raises(ConfigError, match=r"model.network.order: 13 tokens of context fit in no window"):
        solved(data, order=13)


def test_pieces_are_counted_as_well(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT * 5)
    data = Text(path=path, vocabulary=FromPieces(300), length=6, context=3)
    outputs, _ = solved(data, order=2).start(data.content().vocabulary.encode("the cat")[None], 9)
    assert outputs.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_text_that_repeats_itself_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abc" * 200)
    data = Text(path=path, vocabulary=FromCharacters(), length=12, context=5, val_fraction=0, test_fraction=0.1)
    network = solved(data)
    (logits, _) = network.start(torch.tensor([[0]]), 1)
    assert logits.argmax(1).tolist() == [1]  # b after a, although hardly any n-gram occurs once or twice
