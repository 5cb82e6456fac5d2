"""Every yaml of the project composes into a configuration that could run."""

from pathlib import Path

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from genloom.config.composition import Composer
from genloom.config.directory import commands, config_directory
from genloom.config.sweep import check_all
from genloom.errors import ConfigError

FILES = sorted(
    str(path.relative_to(config_directory()).with_suffix(""))
    for path in config_directory().rglob("*.yaml")
    if path.parent.name not in ("hydra", "base") and path.parent != config_directory()
)


@pytest.fixture(scope="module")
def train() -> Composer:
    return Composer("train", config_directory())


OF_VAES = {room: f"{room}@model.{room}" for room in ("bottleneck", "likelihood", "latent_density")}
OF_VAES |= {room: f"{room}@model.bottleneck.{room}" for room in ("posterior", "prior")}
OF_VAES |= {f"network/{part}": f"network/{part}@model.{part}" for part in ("encoder", "decoder")}
OF_VAES["objective/vae"] = "objective/vae@model.objective"


OF_DIFFUSION = {room: f"{room}@model.{room}" for room in ("process", "prediction", "scoring")}
OF_DIFFUSION |= {room: f"{room}@model.objective.{room}" for room in ("noise_levels", "weighting")}
OF_DIFFUSION |= {"network/denoiser": "network/denoiser@model.network", "times": "times@sampler.times"}
OF_DIFFUSION["objective/diffusion"] = "objective/diffusion@model.objective"
OF_TABLES = {"transform": "transform@data.transform", "network/table": "network/table@model.network"}
OF_TEXT = {"vocabulary": "vocabulary@data.vocabulary", "network/backbone": "network/backbone@model.network.backbone"}
OF_SERIES = {
    "network/normalisation": "network/normalisation@model.network.normalise",
    "network/sequence": "network/sequence@model.network",
    "objective/sequence": "objective/sequence@model.objective",
    "output": "output@model.output",
}
MODELS_OF = {
    "network/sequence/language": "text/lstm",
    "output/categorical": "text/lstm",
    "network/sequence/patches": "series/lstm",
    "output/variables": "table/transformer",
}
DATA_OF = {"table/transformer": "wine"}


@pytest.fixture(scope="module")
def choosable(train: Composer) -> list[str]:
    return train.choosable()


def _overrides(choosable: list[str], file: str) -> list[str]:
    """Choose ``file`` by the key that its group is chosen by: of the default model, of a VAE, of text or of series."""
    group, _, option = file.rpartition("/")
    if group in OF_TEXT:
        return ["data=text", "model=text/lstm", f"{OF_TEXT[group]}={option}"]
    if group in OF_DIFFUSION:
        return ["model=diffusion/unet", f"{OF_DIFFUSION[group]}={option}"]
    if group in OF_TABLES:
        return ["data=wine", "model=table/transformer", f"{OF_TABLES[group]}={option}"]
    if group in OF_SERIES:
        model = MODELS_OF.get(file, "series/nlinear")
        return [f"data={DATA_OF.get(model, model.partition('/')[0])}", f"model={model}", f"{OF_SERIES[group]}={option}"]
    if group == "network/embedder":
        told = "network/conditioning@model.generator.conditioning"
        return [f"{told}=concatenation", f"+{group}@model.generator.conditioning.embedders.own={option}"]
    if group in OF_VAES:
        return ["model=vae/dense", f"{OF_VAES[group]}={option}"]
    return [_override(choosable, file)]


def _override(choosable: list[str], file: str) -> str:
    """Choose ``file`` by the key that the default configuration chooses from its group."""
    for key in choosable:
        group, at, package = key.partition("@")
        if file.startswith(f"{group}/"):
            option = file.removeprefix(f"{group}/")
            is_list = group.startswith("objective/")
            return f"{group}{at}{package}={f'[{option}]' if is_list else option}"
    group, _, option = file.rpartition("/")
    root = "model." + group.split("/")[-1] if group.startswith("network") else group.split("/")[0]
    return f"+{group}@{root}={option}"


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_every_option_is_valid(train: Composer, choosable: list[str], file: str) -> None:
    check_all(train, _overrides(choosable, file), multirun=False, complete=True)


RECIPES = [file.removeprefix("experiment/") for file in FILES if file.startswith("experiment/")]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_lies_in_the_folder_of_its_data(train: Composer, recipe: str) -> None:
    data = train.compose(train.parse([f"experiment={recipe}"])).hydra.runtime.choices.data
    assert recipe.partition("/")[0] == data


EARLIER_NAMES = {  # of recipes: a command line with one is told the new one
    "dcgan_mnist": "mnist/dcgan",
    "gan_mnist_fast": "mnist/gan_fast",
    "ring_wgan_gp": "ring/wgan_gp",
    "stacked_digits": "stacked_digits/dcgan_r1",
    "vae_dense": "digits/vae_dense or mnist/vae_dense",
    "mnist_vae/dense": "mnist/vae_dense",
    "mnist_vae/convolutional": "mnist/vae_convolutional",
    "mnist_vae/autoencoder": "mnist/autoencoder",
    "ett/gru": "etth1/gru",
}


@pytest.mark.parametrize("name", EARLIER_NAMES)
def test_a_recipe_by_an_earlier_name_is_told_its_new_one(train: Composer, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^experiment: .*; did you mean {EARLIER_NAMES[name]}\?"):
        check_all(train, [f"experiment={name}"], multirun=False, complete=True)


@pytest.mark.parametrize("command", commands())
def test_every_command_composes(command: str) -> None:
    config = Composer(command, config_directory()).compose([])
    kind = OmegaConf.get_type(config)
    assert kind.__name__.lower() == command
    assert config.hydra.output_subdir is None
    assert config.hydra.run.dir == "."


def test_seed_zero_is_the_default(train: Composer) -> None:
    assert train.compose([]).seed == 0


def test_null_where_it_is_allowed(train: Composer) -> None:
    check_all(train, ["data.size=null", "run.dir=null"], multirun=False, complete=True)


def test_added_argument_that_the_target_accepts(train: Composer) -> None:
    check_all(train, ["+optimizer.generator.weight_decay=0.1"], multirun=False, complete=True)


def test_later_overrides_see_earlier_ones(train: Composer) -> None:
    target = "+callbacks.mine={_target_: genloom.inspections.sample_grid.SampleGrid}"
    with pytest.raises(ConfigError, match=r"callbacks\.mine\.nim: .*num"):
        check_all(train, [target, "+callbacks.mine.nim=3"], multirun=False, complete=True)


def test_hydra_mode_in_the_configuration_makes_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    sweep = "# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{seed: '{values}'}}}}}}\n"
    for name, values in {"good": "1,2", "bad": "1,b"}.items():
        (tmp_path / "experiment" / f"{name}.yaml").write_text(sweep.format(values=values))
    composer = Composer("train", config_directory(), str(tmp_path))
    mode = check_all(composer, ["experiment=good"], multirun=False, complete=True)
    assert mode is RunMode.MULTIRUN
    with pytest.raises(ConfigError, match=r"^seed: "):
        check_all(composer, ["experiment=bad"], multirun=False, complete=True)
    check_all(composer, ["experiment=bad", "seed=3"], multirun=False, complete=True)


def test_a_mapping_that_stands_empty_takes_names_of_the_users_own(train: Composer) -> None:
    config = train.compose(train.parse(["model.drop_given.label=0.1", "model.drop_given.sketch=0.2"]))
    assert config.model.drop_given == {"label": 0.1, "sketch": 0.2}
    assert train.compose(train.parse(["model.drop_given={label: 0.3}"])).model.drop_given == {"label": 0.3}
    for wrong in (["metrics=none", "metrics.num=3"], ["trainer.own=3"], ["model.latent.own=3"]):  # but none of a part's
        with pytest.raises(ConfigError, match="unknown key"):
            train.compose(train.parse(wrong))
