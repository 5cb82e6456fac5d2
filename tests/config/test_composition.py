"""Every yaml of the project composes into a configuration that could run."""

from collections.abc import Iterator

import pytest
from omegaconf import OmegaConf

from genloom.config.composition import Composer
from genloom.config.directory import commands, config_directory
from genloom.config.sweep import check_all
from genloom.errors import ConfigError

FILES = sorted(
    str(path.relative_to(config_directory()).with_suffix(""))
    for path in config_directory().rglob("*.yaml")
    if path.parent.name != "hydra" and path.parent != config_directory()
)


@pytest.fixture(scope="module")
def train() -> Iterator[Composer]:
    composer = Composer("train", config_directory())
    yield composer
    composer.close()


def _override(composer: Composer, file: str) -> str:
    """Choose ``file`` by the key that the default configuration chooses from its group."""
    for key in composer.choosable():
        group, at, package = key.partition("@")
        if file.startswith(f"{group}/"):
            option = file.removeprefix(f"{group}/")
            is_list = group.startswith("objective/")
            return f"{group}{at}{package}={f'[{option}]' if is_list else option}"
    group, _, option = file.rpartition("/")
    root = "model." + group.split("/")[-1] if group.startswith("network") else group.split("/")[0]
    return f"+{group}@{root}={option}"


@pytest.mark.parametrize("file", FILES)
def test_every_option_is_valid(train: Composer, file: str) -> None:
    check_all(train, [_override(train, file)], multirun=False, complete=True)


@pytest.mark.parametrize("command", commands())
def test_every_command_composes(command: str) -> None:
    composer = Composer(command, config_directory())
    try:
        config = composer.compose([])
        kind = OmegaConf.get_type(config)
        assert kind.__name__.lower() == command
        assert config.hydra.output_subdir is None
        assert config.hydra.run.dir == "."
    finally:
        composer.close()


def test_seed_zero_is_the_default(train: Composer) -> None:
    assert train.compose([]).seed == 0


def test_null_where_it_is_allowed(train: Composer) -> None:
    check_all(train, ["data.size=null", "run.dir=null"], multirun=False, complete=True)


def test_added_argument_that_the_target_accepts(train: Composer) -> None:
    check_all(train, ["+optimizer.generator.weight_decay=0.1"], multirun=False, complete=True)


def test_later_overrides_see_earlier_ones(train: Composer) -> None:
    target = "+callbacks.mine={_target_: genloom.callbacks.sample_grid.SampleGrid}"
    with pytest.raises(ConfigError, match=r"callbacks\.mine\.nim: .*num"):
        check_all(train, [target, "+callbacks.mine.nim=3"], multirun=False, complete=True)


def test_hydra_mode_in_the_configuration_makes_a_sweep(train: Composer) -> None:
    overrides = ["hydra.mode=MULTIRUN", "hydra.sweeper.params={seed:'1,2'}"]
    assert check_all(train, overrides, multirun=False, complete=True).name == "MULTIRUN"
    with pytest.raises(ConfigError, match=r"^seed: "):
        check_all(train, [overrides[0], "hydra.sweeper.params={seed:'1,b'}"], multirun=False, complete=True)
