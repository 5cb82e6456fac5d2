"""Mistakes on the command line or in a user's yaml: exit code 2, the key and what is near, no traceback, no torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CPU_SECONDS = 1.6  # of one command line, and 0.4 for importing Hydra
RUNNER = Path(__file__).with_name("mistakes_runner.py")

MINE = """
from dataclasses import dataclass

class Base:
    def __init__(self, *, width: int = 3): ...

class Part(Base):
    def __init__(self, depth: int, **others):
        super().__init__(**others)
"""
USER_FILES = {
    "mine.py": MINE,
    "configs/experiment/no_yaml.yaml": "# @package _global_\nseed: [1\nrun: 2\n",
    "configs/experiment/typo.yaml": "# @package _global_\nsede: 3\n",
    "configs/experiment/wrong_type.yaml": "# @package _global_\nseed: some\n",
    "configs/experiment/wrong_option.yaml": "# @package _global_\ndefaults:\n  - override /data: mnits\n",
    "configs/experiment/wrong_argument.yaml": "# @package _global_\ndata:\n  sise: 3\n",
    "configs/scheduler/mine.yaml": "_target_: mine.Part\ndepth: 3\nwidht: 4\n",
}
USER = ["--config-dir", "configs"]

# command line -> what the message must hold: the key first
MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "unknown command": (["trian"], ["trian:", "did you mean train?"]),
    "unknown flag": (["train", "--cgf", "job"], ["--cgf:", "--cfg"]),
    "wrong flag value": (["train", "--cfg", "jbo"], ["--cfg", "jbo", "hydra"]),
    "unknown nested key": (
        ["train", "optimizer.generator.lrr=1"],
        ["optimizer.generator.lrr:", "optimizer.generator.lr?"],
    ),
    "unknown root key": (["train", "sede=3"], ["sede:", "did you mean seed?"]),
    "key of another command": (["sample", "chekpoint=a"], ["chekpoint:", "did you mean checkpoint?"]),
    "added root key": (["train", "+sede=3"], ["sede:", "did you mean seed?"]),
    "force-added root key": (["train", "++sede=3"], ["sede:", "did you mean seed?"]),
    "key of another data set": (["train", "data=image_folder", "data.path=a"], ["data.path:", "data has name", "root"]),
    "key of another part": (
        ["train", "trainer.lr=1"],
        ["trainer.lr:", "unknown key; did you mean optimizer.generator.lr"],
    ),
    "number for a list": (["report", "runs=3"], ["runs:", "written 'runs=[…]'"]),
    "added typed key": (["train", "+run.nam=x"], ["run.nam:", "did you mean run.name?"]),
    "key without its path": (["train", "batch_size=3"], ["batch_size:", "did you mean data.batch_size?"]),
    "key that is ambiguous without its path": (
        ["train", "lr=3"],
        ["lr:", "optimizer.generator.lr", "optimizer.discriminator.lr"],
    ),
    "misspelt group": (["train", "modl=gan/dcgan"], ["modl:", "did you mean model?"]),
    "unknown part": (["train", "callbacks.sample_grd.num=3"], ["callbacks.sample_grd:", "callbacks.sample_grid?"]),
    "added argument": (["train", "+data.sise=3"], ["data.sise:", "did you mean size?"]),
    "added argument of torch": (
        ["train", "+optimizer.generator.weight_decy=1"],
        ["optimizer.generator.weight_decy:", "did you mean weight_decay?"],
    ),
    "argument that needs a plus": (
        ["train", "optimizer.generator.weight_decay=1"],
        ["optimizer.generator.weight_decay:", "+optimizer.generator.weight_decay"],
    ),
    "added part without target": (["train", "+callbacks.mine=3"], ["callbacks.mine:", "_target_"]),
    "added what is there": (["train", "+seed=3"], ["seed:", "seed=3"]),
    "removed key that is not there": (["train", "~dat"], ["dat:", "did you mean data?"]),
    "removed required key": (["train", "~seed"], ["seed:", "removed"]),
    "removed data": (["train", "~data"], ["data:", "data=…"]),
    "key below a value": (["train", "optimizer.generator.lr.x=3"], ["optimizer.generator.lr.x:", "holds no x"]),
    "index out of range": (["train", "optimizer.generator.betas.5=3"], ["optimizer.generator.betas.5:"]),
    "unknown option": (["train", "data=mnst"], ["data:", "did you mean mnist?", "cifar10, diabetes, digits"]),
    "unknown option of a subgroup": (["train", "model=gan/dcgn"], ["model:", "did you mean gan/dcgan?"]),
    "recipe by an earlier name": (["train", "experiment=dcgan_mnist"], ["experiment:", "did you mean mnist/dcgan?"]),
    "option without its subgroup": (["train", "model=dcgan"], ["model:", "did you mean gan/dcgan?"]),
    "unknown option in a list": (
        ["train", "objective/gan@model.objective=[non_saturatin]"],
        ["objective/gan@model.objective:", "did you mean non_saturating?"],
    ),
    "unknown group": (
        ["train", "netwrk/generator@model.generator=dcgan"],
        ["netwrk/generator@model.generator:", "did you mean network/generator?"],
    ),
    "group without its package": (
        ["train", "network/generator=dense"],
        ["network/generator:", "did you mean network/generator@model.generator?"],
    ),
    "part of a part that was replaced": (
        [
            "train",
            "network/generator@model.generator=stylegan2",
            "network/conditioning@model.generator.conditioning=concatenation",
        ],
        ["network/conditioning@model.generator.conditioning:", "model.generator has no conditioning to choose"],
    ),
    "null option": (["train", "data=null"], ["data:", "~data"]),
    "number as option": (["train", "data=3"], ["data:", "3", "digits"]),
    "group chosen twice": (["train", "+data=mnist"], ["data:", "data=mnist"]),
    "word for a number": (["train", "seed=abc"], ["seed:", "abc", "int"]),
    "fraction for a whole number": (["train", "seed=1.5"], ["seed:", "1.5", "int"]),
    "null for a number": (["train", "seed=null"], ["seed:", "int"]),
    "infinite learning rate": (
        ["train", "optimizer.generator.lr=inf"],
        ["optimizer.generator.lr:", "no finite number"],
    ),
    "learning rate that is no number": (
        ["train", "optimizer.generator.lr=nan"],
        ["optimizer.generator.lr:", "nan is no"],
    ),
    "count written as a float": (
        ["train", "trainer.max_steps=1e4"],
        ["trainer.max_steps:", "did you mean trainer.max_steps=10000?"],
    ),
    "number for a path": (["train", "data=series", "data.path=2023"], ["data.path:", "text: \"data.path='2023'\""]),
    "numbers for names": (
        ["train", "data=series", "data.targets=[2020,2021]"],
        ["data.targets:", "texts: \"data.targets=['2020','2021']\""],
    ),
    "several texts": (["train", "data=series", "data.path=a,b"], ["data.path:", "\"data.path='a,b'\" one text"]),
    "share within a mapping": (["train", "model.drop_given.label=2"], ["model.drop_given.label:", "limit of 1"]),
    "key of another command that nothing is like": (
        ["evaluate", "given.label=3"],
        ["given:", "not a key of this command, but of genloom sample"],
    ),
    "mapping with an unknown key": (
        ["train", "sampler={psi: 1}"],
        ["sampler.psi:", "psi is a key of sampler=truncated"],
    ),
    "mapping that the shell parted": (["train", "sampler={psi:"], ["sampler:", "stands in quotes: 'sampler={psi: …}'"]),
    "several values of a sampler": (["sample", "checkpoint=a", "sampler.psi=1,2"], ["sampler.psi:", "several values"]),
    "negative seed": (["train", "seed=-1"], ["seed:", "-1", "limit of 0"]),
    "no samples": (["sample", "checkpoint=a", "num=0"], ["num:", "0", "limit of 1"]),
    "unknown weights": (["sample", "checkpoint=a", "weights=emma"], ["weights:", "did you mean ema?"]),
    "word for a list": (["train", "trust=mine"], ["trust:", "list[str]"]),
    "word for a learning rate": (["train", "optimizer.generator.lr=abc"], ["optimizer.generator.lr:", "abc", "float"]),
    "word for a batch size": (["train", "data.batch_size=big"], ["data.batch_size:", "big", "int"]),
    "word for a step count": (["train", "trainer.max_steps=many"], ["trainer.max_steps:", "many", "int"]),
    "unknown literal": (["train", "trainer.precision=bf16-mxed"], ["trainer.precision:", "did you mean bf16-mixed?"]),
    "word for a list of words": (
        ["train", "data=series", "data.targets=units"],
        ["data.targets:", "did you mean 'data.targets=[units]'?"],
    ),
    "unknown literal in a list": (
        ["train", "data=series", "data.calendar=[year]"],
        ["data.calendar:", "hour, weekday, month"],
    ),
    "option without its group": (
        ["train", "model=series/nlinear", "model.output=gaussian"],
        ["model.output:", "did you mean output@model.output=gaussian?"],
    ),
    "number for a part": (["train", "model=series/nlinear", "model.output=3"], ["model.output:", "3", "Callable"]),
    "key of what was not chosen": (
        ["evaluate", "checkpoint=a", "data.path=book.txt"],
        ["data.path:", "data is null", "data=…"],
    ),
    "nothing for a number": (
        ["sample", "checkpoint=a", "sampler=tokens", "sampler.temperature="],
        ["sampler.temperature:", "float"],
    ),
    "truncation of before": (["sample", "checkpoint=a", "truncation=0.7"], ["truncation:", "sampler.psi=…"]),
    "levels of before": (["forecast", "checkpoint=a", "levels=[0.5]"], ["levels:", "sampler.levels=[…]"]),
    "draws of before": (["forecast", "checkpoint=a", "num_paths=3"], ["num_paths:", "sampler.num_paths=…"]),
    "fitted density of before": (
        ["train", "model=vae/dense", "sampler@model.sampler=mixture"],
        ["sampler@model.sampler:", "latent_density@model.latent_density=…"],
    ),
    "no fitted density of before": (
        ["train", "model=vae/dense", "model.sampler=null"],
        ["model.sampler:", "latent_density@model.latent_density=…"],
    ),
    "key of another sampler": (
        ["train", "sampler.temperature=0.7"],
        ["sampler.temperature:", "sampler has no keys", "a key of sampler=tokens"],
    ),
    "too short a tuple": (["train", "optimizer.generator.betas=[0.5]"], ["optimizer.generator.betas:", "tuple"]),
    "missing value": (["sample"], ["checkpoint:", "checkpoint=…"]),
    "interpolation of a missing key": (["train", "run.name=${daata.name}"], ["run.name:", "did you mean data.name?"]),
    "interpolation in a circle": (["train", "data.name=${run.name}"], ["data.name:", "ecursive"]),
    "unknown resolver": (["train", "run.name=${foo:bar}"], ["run.name:", "foo"]),
    "unset environment variable": (["train", "data.name=${oc.env:NOT_SET_HERE}"], ["data.name:", "NOT_SET_HERE"]),
    "argument without value": (["train", "seed"], ["seed:", "KEY=VALUE"]),
    "unclosed bracket": (["train", "model=["], ["model:", "cannot be read"]),
    "several values without -m": (["train", "seed=1,2"], ["seed:", "--multirun"]),
    "missing folder of configurations": (["train", "--config-dir", "nowhere"], ["--config-dir:", "nowhere"]),
    "unknown root file": (["train", "--config-name", "trian"], ["--config-name:", "did you mean train?"]),
    "unknown package": (["train", "data._target_=genlom.A"], ["data._target_:", "did you mean genloom?"]),
    "unknown module": (
        ["train", "data._target_=genloom.data.images.digts.Digits"],
        ["data._target_:", "genloom.data.images has no digts", "did you mean digits?"],
    ),
    "unknown module of torch": (
        ["train", "optimizer.generator._target_=torch.optm.Adam"],
        ["optimizer.generator._target_:", "did you mean optim?"],
    ),
    "unknown class": (
        ["train", "data._target_=genloom.data.images.digits.Digit"],
        ["data._target_:", "did you mean Digits?"],
    ),
    "unknown class of torch": (
        ["train", "optimizer.generator._target_=torch.optim.Adm"],
        ["optimizer.generator._target_:", "Adam"],
    ),
    "module as target": (["train", "model._target_=torch.optim"], ["model._target_:", "is a module"]),
    "missing argument": (["train", "~model.latent.dim"], ["model.latent:", "needs dim"]),
    "sweep over a wrong value": (["train", "-m", "seed=1,a"], ["seed:", "'a'", "int"]),
    "sweep over a wrong option": (["train", "-m", "data=digits,mnst"], ["data:", "did you mean mnist?"]),
    "sweep over a wrong choice": (["train", "-m", "model=choice(gan/dcgan,gan/dnse)"], ["model:", "gan/dense"]),
    "sweep over a wrong range": (["train", "-m", "seed=range(-1,2)"], ["seed:", "-1", "limit of 0"]),
    "second key of a sweep": (
        ["train", "-m", "seed=1,2", "optimizer.generator.lr=1e-4,abc"],
        ["optimizer.generator.lr:", "abc"],
    ),
    "negative rate": (
        ["train", "optimizer.generator.lr=-1"],
        ["optimizer.generator.lr:", "-1 is below the limit of 0"],
    ),
    "negative added rate": (
        ["train", "+optimizer.generator.weight_decay=-1"],
        ["optimizer.generator.weight_decay:", "-1 is below the limit of 0"],
    ),
    "betas out of range": (
        ["train", "optimizer.generator.betas=[1,2]"],
        ["optimizer.generator.betas:", "1 must be below 1 in [1, 2]"],
    ),
    "negative batch size": (["train", "data.batch_size=-3"], ["data.batch_size:", "-3 is below the limit of 1"]),
    "no size": (["train", "data.size=0"], ["data.size:", "0 is below the limit of 4"]),
    "negative step count": (["train", "trainer.max_steps=-5"], ["trainer.max_steps:", "-5 is below the limit of -1"]),
    "no samples to judge": (["train", "metrics.num_samples=0"], ["metrics.num_samples:", "0 is below the limit of 1"]),
    "no layers": (
        ["train", "model=gan/dense", "model.generator.widths=[]"],
        ["model.generator.widths:", "[] has fewer items than 1"],
    ),
    "all dropped": (
        ["train", "experiment=tiny_shakespeare/transformer", "model.network.backbone.dropout=2"],
        ["model.network.backbone.dropout:", "2 must be below 1"],
    ),
    "share above one": (
        ["sample", "checkpoint=a", "sampler=tokens", "sampler.top_p=3"],
        ["sampler.top_p:", "3 is above the limit of 1"],
    ),
    "word for resume": (["train", "resume=atuo"], ["resume:", "did you mean auto?", "never, auto or a path"]),
    "missing start": (["train", "init_from=nowhere"], ["init_from:", "no file or folder nowhere"]),
    "accumulation of Lightning": (
        ["train", "trainer.accumulate_grad_batches=2"],
        ["trainer.accumulate_grad_batches:", "use model.accumulation=…"],
    ),
    "added accumulation of Lightning": (
        ["train", "+trainer.accumulate_grad_batches=2"],
        ["trainer.accumulate_grad_batches:", "use model.accumulation=…"],
    ),
    "clipping of Lightning": (
        ["train", "+trainer.gradient_clip_val=1"],
        ["trainer.gradient_clip_val:", "use model.gradient_clip_norm=…"],
    ),
    "validation of Lightning": (
        ["train", "trainer.limit_val_batches=1"],
        ["trainer.limit_val_batches:", "use callbacks.evaluation.every_iterations=…"],
    ),
    "wrong key shown": (["train", "--cfg", "job", "sede=3"], ["sede:", "did you mean seed?"]),
    "wrong key in help": (["train", "--help", "sede=3"], ["sede:", "did you mean seed?"]),
    "wrong package shown": (["train", "--cfg", "job", "--resolve", "run.name=${x}"], ["run.name:", "x"]),
    "user's broken yaml": ([*("train", *USER), "experiment=no_yaml"], ["no_yaml.yaml", "line 3"]),
    "user's misspelt key": ([*("train", *USER), "experiment=typo"], ["sede:", "experiment/typo", "did you mean seed?"]),
    "user's wrong type": ([*("train", *USER), "experiment=wrong_type"], ["seed:", "some", "experiment/wrong_type"]),
    "user's wrong option": (
        [*("train", *USER), "experiment=wrong_option"],
        ["data/mnits:", "did you mean mnist?"],
    ),
    "user's wrong argument": ([*("train", *USER), "experiment=wrong_argument"], ["data.sise:", "did you mean size?"]),
    "argument of a user's class": ([*("train", *USER), "scheduler=mine"], ["scheduler.widht:", "did you mean width?"]),
}

CORRECT: dict[str, list[str]] = {
    "usage": [],
    "general help": ["--help"],
    "version": ["--version"],
    "help": ["train", "--help"],
    "configuration": ["train", "--cfg", "job"],
    "all of it": ["train", "--cfg", "all"],
    "resolved part": ["train", "--cfg", "job", "--resolve", "--package", "data"],
    "with an override after a flag": ["train", "seed=3", "--cfg", "job", "data=mnist"],
    "incomplete": ["sample", "--cfg", "job"],
    "nothing for null": ["sample", "checkpoint=a", "sampler.top_k=", "weights=", "given.label=", "--cfg", "job"],
    "hydra": ["evaluate", "--cfg", "hydra"],
    "info": ["evaluate", "--info", "defaults-tree"],
    "none under debug": [
        "train",
        "metrics=none",
        "callbacks=none",
        "logger=none",
        "debug=fast_dev_run",
        "--cfg",
        "job",
        "--resolve",
    ],
    "another callback under debug": [
        "train",
        "callbacks=sample_grid",
        "debug=fast_dev_run",
        "--cfg",
        "job",
        "--resolve",
    ],
    "user's": ["train", *USER, "scheduler=mine", "--cfg", "job"],
}


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of every command line above; the least CPU time of two, where the first took too much."""
    folder = tmp_path_factory.mktemp("user")
    for name, text in USER_FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    lines = {name: arguments for name, (arguments, _) in MISTAKES.items()} | CORRECT
    found = _run(lines, folder)
    slow = {name: lines[name] for name, outcome in found.items() if outcome["cpu_seconds"] >= CPU_SECONDS}
    if slow:  # a loaded machine makes CPU seconds longer, too
        for name, again in _run(slow, folder).items():
            found[name]["cpu_seconds"] = min(found[name]["cpu_seconds"], again["cpu_seconds"])
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == set(USER_FILES), "Hydra left files behind"
    return found


def _run(lines: dict[str, list[str]], folder: Path) -> dict[str, dict[str, Any]]:
    process = subprocess.run(
        [sys.executable, str(RUNNER)],
        input=json.dumps(list(lines.values())),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return dict(zip(lines, json.loads(process.stdout), strict=True))


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome, expected = outcomes[name], MISTAKES[name][1]
    assert outcome["code"] == 2, outcome["err"]
    first_line = outcome["err"].splitlines()[0]
    assert first_line.startswith("error: ")
    assert expected[0] in first_line.partition("; did you mean")[0]
    assert [part for part in expected if part not in outcome["err"]] == [], outcome["err"]
    assert "Traceback" not in outcome["err"]
    assert len(outcome["err"].splitlines()) <= 3
    assert outcome["out"] == ""


@pytest.mark.parametrize("name", [*MISTAKES, *CORRECT])
def test_nothing_heavy_is_imported(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome = outcomes[name]
    assert not outcome["torch"]
    assert outcome["cpu_seconds"] < CPU_SECONDS
    assert outcome["argv_kept"]


@pytest.mark.parametrize("name", CORRECT)
def test_correct_line_succeeds(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    assert outcomes[name]["code"] == 0, outcomes[name]["err"]
    assert outcomes[name]["err"] == ""


def test_no_typo_is_offered_a_plus(outcomes: dict[str, dict[str, Any]]) -> None:
    offered = {name for name in MISTAKES if " +" in outcomes[name]["err"]}
    assert offered == {"argument that needs a plus"}


def test_usage_names_the_commands(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["usage"]["out"] == outcomes["general help"]["out"]
    for command in ("train", "evaluate", "sample"):
        assert command in outcomes["usage"]["out"]


def test_help_names_groups_options_and_examples(outcomes: dict[str, dict[str, Any]]) -> None:
    text = outcomes["help"]["out"]
    assert "data: breast_cancer, cifar10, diabetes, digits, etth1, fashion_mnist, hub, image_folder, iris" in text
    assert text.count("  genloom train ") == 4


def test_a_key_without_a_value_is_unset(outcomes: dict[str, dict[str, Any]]) -> None:
    shown = outcomes["nothing for null"]["out"]
    assert "  top_k: null" in shown and "weights: null" in shown and "  label: null" in shown


def test_debug_brings_nothing_back(outcomes: dict[str, dict[str, Any]]) -> None:
    shown = outcomes["none under debug"]["out"]
    assert all(f"{group}: {{}}" in shown for group in ("metrics", "callbacks", "logger"))
    assert "max_steps: 3" in shown
    shown = outcomes["another callback under debug"]["out"]
    assert "evaluation:" not in shown and "num_samples: 100" in shown


def test_shown_configuration(outcomes: dict[str, dict[str, Any]]) -> None:
    assert "_target_: genloom.data.images.digits.Digits" in outcomes["configuration"]["out"]
    assert outcomes["resolved part"]["out"].startswith("# @package data\n")
    assert "seed: 0" in outcomes["resolved part"]["out"]
    both = outcomes["with an override after a flag"]["out"]
    assert "seed: 3" in both
    assert "genloom.data.images.torchvision_sets.MNIST" in both
    assert "checkpoint: ???" in outcomes["incomplete"]["out"]
