"""What a checkpoint from a stranger may name; nothing else than parts is built, and nothing before all was checked."""

import copy
import pickle
import pydoc
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
import torch
from torch import nn

from genloom.config.directory import config_directory
from genloom.data.base import InMemoryData
from genloom.errors import CheckpointError
from genloom.judging.judge import Judge
from genloom.models.training.family import Family
from genloom.networks.rotary import angles
from genloom.runs import checkpoint, loading, stranger

DENSE = {"_target_": "genloom.networks.dense.DenseGenerator", "_partial_": True, "widths": [8]}
MODEL = {
    "_target_": "genloom.models.gan.GAN",
    "generator": DENSE,
    "discriminator": {"_target_": "genloom.networks.dense.DenseDiscriminator", "_partial_": True, "widths": [8]},
    "latent": {"_target_": "genloom.distributions.latents.StandardNormal", "dim": 3},
    "objective": {"non_saturating": {"_target_": "genloom.objectives.gan.NonSaturating"}},
}
FILE = Path("stranger.ckpt")

# Each stands in the place of the latent's target; what it is told would write a file if it were called.
TARGETS = [
    "os.system", "posix.system", "subprocess.run", "subprocess.Popen", "builtins.eval", "builtins.exec",
    "builtins.open", "pathlib.Path", "pathlib.Path.write_text", "shutil.copy", "importlib.import_module",
    "runpy.run_path", "pickle.loads", "functools.partial", "operator.methodcaller", "pydoc.locate",
    "code.InteractiveInterpreter", "ctypes.CDLL", "torch.load", "torch.save", "torch.hub.load", "torch.jit.load",
    "torch.utils.cpp_extension.load", "torch.nn.functional.torch.load", "torch.nn.functional.torch.hub.load",
    "torch.nn.modules.module.torch.save", "torch.nn.init.torch.serialization.load",
    "torch.optim.optimizer.functools.partial", "torch.nn.parallel.torch.load",
    "torch.optim.lr_scheduler.types.FunctionType", "torch.nn.Module.__init__", "torch.nn.functional.relu",
    "torch.nn.utils.clip_grad_norm_", "torch.nn.init.zeros_", "torch.nn.Module.load_state_dict",
    "torch.optim.swa_utils.update_bn", "genloom.runs.directory.write_text", "genloom.runs.directory.os.system",
    "genloom.runs.checkpoint.pickle.loads", "genloom.config.instantiate.hydra.utils.instantiate",
    "genloom.config.instantiate.instantiate", "genloom.runs.checkpoint.torch.load", "genloom.runs.loading.load",
    "genloom.runs.checkpoint.SafeCheckpointIO", "genloom.cli.main", "genloom.__main__.main",
    "genloom.contents.shown.Path",
    "genloom.data.base.LightningDataModule", "genloom.networks.dense.nn.Module.register_module",
    "genloom.extractors.reference_cache.ReferenceCache", "genloom.schedules.linear", "genloom.load",
    "genloom.models.gan.GAN.load_from_checkpoint", "genloom.errors.ConfigError", "zuko.flows.mixtures.torch.load",
    "zuko.flows", "genloom", "genloom.models.training.family.Any", "pytorch_lightning.Trainer",
    "pytorch_lightning.loggers.CSVLogger", "hydra.utils.call", "omegaconf.OmegaConf.save",
    "evil_module_in_this_folder.Model", "genloom.evil_module.Model", "torch.nn..Module", "torch.nn.Module ", "",
    "GAN",
]  # fmt: skip


def obliging(node: Any, **_: Any) -> Any:
    """What an instantiate would do that had no list of its own: find anything and call it."""
    if isinstance(node, dict):
        arguments = {name: obliging(value) for name, value in node.items() if not name.startswith("_")}
        if "_target_" not in node:
            return arguments
        found = pydoc.locate(node["_target_"])
        assert callable(found)
        return found(*node.get("_args_", ()), **arguments)
    return [obliging(value) for value in node] if isinstance(node, list) else node


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a module that writes a file when it is imported; nothing of Hydra's own guards it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_module_in_this_folder.py").write_text("open('executed', 'w')\nclass Model: pass\n")
    monkeypatch.setattr(hydra.utils, "instantiate", obliging)
    return tmp_path


def refused(node: Any, kind: type = Family, match: str = "nothing of it was built") -> None:
    with pytest.raises(CheckpointError, match=match) as error:
        stranger.checked(node, kind, "model", trust=[], file=FILE)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(FILE))


@pytest.mark.parametrize("target", TARGETS)
def test_only_parts_are_built(folder: Path, target: str) -> None:
    before = sorted(folder.iterdir())
    latent = {"_target_": target, "path": str(folder / "executed"), "text": "x", "dim": 3}
    refused(MODEL | {"latent": latent})
    refused(MODEL | {"objective": {"non_saturating": MODEL["objective"]["non_saturating"], "b": [{"c": latent}]}})
    refused(latent)
    assert sorted(folder.iterdir()) == before
    assert "evil_module_in_this_folder" not in sys.modules


@pytest.mark.parametrize(
    "changed",
    [
        {"latent": {**MODEL["latent"], "_args_": ["touch executed"]}},
        {"latent": {**MODEL["latent"], "_recursive_": False}},
        {"latent": {**MODEL["latent"], "_partial_": {"_target_": "os.system"}}},
        {"latent": {**MODEL["latent"], "_partial_": torch.ones(2)}},
        {"latent": {**MODEL["latent"], "_mode_": "x"}},
        {"latent": {"_target_": ["os", "system"]}},
        {"latent": {"_target_": {"_target_": "os.system"}}},
        {"latent": {"_target_": None}},
        {"latent": {"_target_": "${oc.env:HOME}"}},
        {"latent": {**MODEL["latent"], "dim": "${oc.env:HOME}"}},
        {"latent": {**MODEL["latent"], "dim": torch.zeros(1)}},
        {"latent": {**MODEL["latent"], "dim": (1, 2)}},
        {"latent": {**MODEL["latent"], 3: 4}},
        {"latent": {**MODEL["latent"], "__class__": "x"}},
    ],
)
def test_arguments_are_plain_values_or_parts(changed: dict[str, Any]) -> None:
    refused(MODEL | changed)


def test_what_is_described_must_be_of_its_kind(folder: Path) -> None:
    refused(DENSE, match="is no Family")
    refused(MODEL, InMemoryData, match="is no InMemoryData")
    refused(MODEL, Judge, match="is no Judge")
    for nothing in ({}, None, [], "genloom.models.gan.GAN", 3, [MODEL]):
        refused(nothing, match="describes no Family")
    deep: Any = {}
    for _ in range(100_000):
        deep = [deep]
    refused(MODEL | {"latent": deep}, match="too deeply")


def test_a_part_may_not_say_where_to_write_or_that_something_is_fetched() -> None:
    node = {"_target_": "genloom.data.images.torchvision_sets.MNIST", "root": "/somewhere", "download": True}
    own = stranger.checked(node, InMemoryData, "data", trust=[], file=FILE)
    assert own == {**node, "download": False}
    del node["download"]  # by default it is fetched
    assert stranger.checked(node, InMemoryData, "data", trust=[], file=FILE) == {**node, "download": False}
    inception = {"_target_": "genloom.extractors.inception.Inception"}
    assert stranger.checked(inception, object, "metrics", trust=[], file=FILE)["download"] is False
    judge = {"_target_": "genloom.judging.judge.Judge", "cache_dir": "/somewhere", "metrics": {}, "extractors": {}}
    assert stranger.checked(judge, Judge, "metrics", trust=[], file=FILE)["cache_dir"] is None


NOT_IN_CHECKPOINTS = {"callbacks", "logger", "scheduler", "trainer"}


def test_what_our_own_yaml_files_name_is_a_part() -> None:
    files = [file.relative_to(config_directory()) for file in config_directory().rglob("*.yaml")]
    texts = {file: (config_directory() / file).read_text() for file in files if file.parts[0] not in NOT_IN_CHECKPOINTS}
    targets = {target for text in texts.values() for target in re.findall(r"^ *_target_: (\S+)", text, re.MULTILINE)}
    targets.discard("???")  # of a base, which names none
    assert len(targets) > 100
    for target in targets:
        stranger.checked({"_target_": target}, object, "model", trust=[], file=FILE)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "__init__.py").write_text("")
    (tmp_path / "their_package" / "parts.py").write_text(
        "import os\nfrom subprocess import Popen\nfrom torch import nn\n"
        "from genloom.distributions.latents import StandardNormal\n"
        "class Net(nn.Module): pass\nclass Wide(StandardNormal): pass\nclass Tool: pass\n"
        "def tool(command): os.system(command)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "their_package"


def test_a_trusted_package_gives_parts_and_nothing_else(package: str) -> None:
    def check(target: str) -> None:
        node = MODEL | {"latent": {"_target_": f"{package}.parts.{target}", "dim": 3}}
        stranger.checked(node, Family, "model", trust=[package], file=FILE)

    check("Net")
    check("Wide")
    check("StandardNormal")  # re-exported, and genloom's
    for name, why in [
        ("Tool", "is no part"), ("tool", "no class"), ("os.system", "can't be imported"),
        ("Popen", "defined elsewhere"), ("Missing", "no class"), ("nn.Module", "can't be imported"),
    ]:  # fmt: skip
        with pytest.raises(CheckpointError, match=why):
            check(name)
    with pytest.raises(CheckpointError, match=rf"pass 'trust=\[{package}\]'"):
        stranger.checked(MODEL | {"latent": {"_target_": f"{package}.parts.Net"}}, Family, "model", trust=[], file=FILE)


def test_a_class_that_only_claims_its_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Claimed(nn.Module):
        pass

    Claimed.__module__, Claimed.__qualname__ = "torch.nn.modules.linear", "Linear"
    monkeypatch.setattr("genloom.networks.dense.Claimed", Claimed, raising=False)
    refused(MODEL | {"latent": {"_target_": "genloom.networks.dense.Claimed"}}, match="defined elsewhere")


@pytest.fixture
def hostile(tiny_gan: Any, tiny_data: Any, fit: Any, folder: Path) -> Callable[..., Path]:
    """Writes a checkpoint whose ``genloom`` entry was changed by its author, who made its digest right."""
    model = tiny_gan()
    model.identity = {"model": MODEL, "data": {}, "metrics": None, "data_fingerprint": "none"}
    trainer = fit(model, tiny_data, max_steps=1, plugins=[checkpoint.SafeCheckpointIO()])
    trainer.save_checkpoint(folder / "good.ckpt")
    good = torch.load(folder / "good.ckpt", weights_only=True)

    def write(**changes: Any) -> Path:
        content = copy.deepcopy(good)
        content.pop("digest")
        content["genloom"] |= changes
        torch.save({**content, "digest": checkpoint.digest(content)}, folder / "hostile.ckpt")
        return folder / "hostile.ckpt"

    return write


@pytest.mark.parametrize(
    "changes",
    [
        {
            "model": MODEL
            | {"latent": {"_target_": "genloom.runs.directory.write_text", "path": "executed", "text": ""}}
        },
        {"model": "genloom.models.gan.GAN"},
        {"model": None},
        {"spec": {"kind": "os"}},
        {"spec": ["spec"]},
        {"spec": {"kind": "spec", "nothing": 1}},
        {"spec": None},
        {"seed": "now"},
        {"model": MODEL | {"unheard_of": 1}},
        {"model": MODEL | {"latent": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 3}}},
    ],
)
def test_a_checkpoint_of_a_stranger_is_refused_in_one_line(
    hostile: Callable[..., Path], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    path = hostile(**changes)
    before = sorted(path.parent.iterdir())
    with pytest.raises(CheckpointError, match=r"hostile\.ckpt"):
        loading.load(path)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("width", [10**9, 30_000])
def test_a_model_is_no_larger_than_its_weights(
    hostile: Callable[..., Path], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    generator = DENSE | {"widths": [width, width]}
    with pytest.raises(CheckpointError, match="far larger than the weights"):
        loading.load(hostile(model=MODEL | {"generator": generator}))
    with pytest.raises(CheckpointError, match="far larger than the weights"):
        loading.load(hostile(model=MODEL | {"generator": DENSE | {"widths": [1] * 3_000}}))
    with pytest.raises(CheckpointError, match="holds more than 5,000 values"):
        loading.load(hostile(model=MODEL | {"generator": DENSE | {"widths": [1] * 20_000}}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(10**12),
        lambda: torch.eye(10**6),
        lambda: torch.outer(torch.ones(2**16), torch.ones(2**16)),
        lambda: torch.ones(2**16).repeat(2**16),
        lambda: angles(10**7, 64, 10_000.0),
        lambda: nn.Parameter(torch.ones(1).expand(10**12)).clone(),
    ],
)
def test_no_tensor_is_larger_than_weights_allow_whatever_makes_it(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="far larger"), loading._no_larger_than({}):
        make()


def test_what_is_built_under_the_limit_is_the_same() -> None:
    def built() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), copy.deepcopy(nn.LSTM(4, 4)), nn.Conv2d(1, 2, 3))

    with loading._no_larger_than({}):
        limited = built().state_dict()
    for name, weight in built().state_dict().items():
        assert torch.equal(weight, limited[name])
    assert all(weight.device.type == "cpu" for weight in limited.values())


@pytest.mark.parametrize("changes", [{"state_dict": None}, {"state_dict": {"a": 3}}, {"global_step": "x"}])
def test_a_checkpoint_without_weights_is_none(hostile: Callable[..., Path], changes: dict[str, Any]) -> None:
    content = torch.load(hostile(), weights_only=True)
    content = {name: value for name, value in content.items() if name != "digest"} | changes
    torch.save({**content, "digest": checkpoint.digest(content)}, "x.ckpt")
    with pytest.raises(CheckpointError, match="it holds no weights"):
        checkpoint.read("x.ckpt")


def test_a_file_can_t_claim_more_than_it_holds(hostile: Callable[..., Path]) -> None:
    content = torch.load(hostile(), weights_only=True)
    repeated: list[Any] = [1]
    for _ in range(60):
        repeated = [repeated, repeated]
    holds_itself: list[Any] = []
    holds_itself.append(holds_itself)
    for claim in (repeated, holds_itself, torch.zeros(1).expand(10**12)):
        torch.save({**content, "claim": claim}, "x.ckpt")
        with pytest.raises(CheckpointError, match="no checkpoint of genloom holds"):
            checkpoint.read("x.ckpt")
    torch.save({**content, "zeros": torch.zeros(10**6)}, "x.ckpt")
    with zipfile.ZipFile("x.ckpt") as stored, zipfile.ZipFile("packed.ckpt", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    with pytest.raises(CheckpointError, match="larger than the file"):
        checkpoint.read("packed.ckpt")


def test_a_file_makes_nothing_of_a_size_that_it_only_names(hostile: Callable[..., Path]) -> None:
    two_gib = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
    with zipfile.ZipFile(hostile()) as good, zipfile.ZipFile("x.ckpt", "w") as bad:
        for entry in good.infolist():
            bad.writestr(entry.filename, two_gib if entry.filename.endswith("data.pkl") else good.read(entry))
    with pytest.raises(CheckpointError, match="it would call bytearray"):
        checkpoint.read("x.ckpt")


def test_tensors_are_no_larger_than_their_file() -> None:
    weights = {str(number): torch.zeros(1000) for number in range(3)}
    checkpoint._check_size({"a": weights, "same": list(weights.values())}, 12_000)
    with pytest.raises(ValueError, match="12,000 bytes in a file of 11,999"):
        checkpoint._check_size(weights, 11_999)


def test_an_archive_behind_something_else_is_refused(hostile: Callable[..., Path]) -> None:
    Path("x.ckpt").write_bytes(pickle.dumps(0, protocol=2) + hostile().read_bytes())
    with zipfile.ZipFile("x.ckpt") as archive:
        assert archive.namelist()
    with pytest.raises(CheckpointError, match="does not begin as an archive does"):
        checkpoint.read("x.ckpt")


@pytest.mark.parametrize("place", ["/runs/a/checkpoints/../../../home/mine", "s3://bucket/mine"])
def test_a_resumed_run_deletes_nothing_elsewhere(hostile: Callable[..., Path], place: str) -> None:
    content = torch.load(hostile(), weights_only=True)
    content = {name: value for name, value in content.items() if name != "digest"}
    content["callbacks"] = {"ModelCheckpoint": {"best_k_models": {place: torch.zeros(())}}}
    torch.save({**content, "digest": checkpoint.digest(content)}, "x.ckpt")
    with pytest.raises(CheckpointError, match="is no place within a run"):
        checkpoint.SafeCheckpointIO().load_checkpoint("x.ckpt")
