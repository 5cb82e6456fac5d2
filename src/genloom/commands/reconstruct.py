"""``genloom reconstruct``: real examples after encoding and decoding, by a checkpoint alone."""

import os
from pathlib import Path

from omegaconf import DictConfig

from genloom.commands import output
from genloom.commands.assembly import examples_for, load_model
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.models.abilities import Reconstructs, checked
from genloom.models.generation import reconstruct_examples


def run(config: DictConfig) -> None:
    """Write a picture, the examples on the left and their reconstructions on the right, and files of the latter.

    Raises:
        GenloomError: the checkpoint or the examples cannot be used, or its model does not reconstruct.
    """
    model, file = load_model(config)
    reconstructing = checked("genloom reconstruct", Reconstructs, model).using(config.weights)
    content = model.spec.content
    form = content.form(config.format)
    examples = examples_for(model, file, config)
    ours = reconstruct_examples(reconstructing, examples, batch_size=config.batch_size)
    error = content.squared_error(ours.content, examples.content)
    with output.folder(config.out, Path("samples") / f"{file.stem}-reconstructions") as out:
        try:
            shown = content.show(examples.content).beside(content.show(ours.content)).save(out / "grid")
            content.save_arrays(Examples(ours.content), out / "reconstructions.npz")
            rows = content.export(Examples(ours.content, examples.given), out / "reconstructions", form)
        except OSError as problem:
            raise ConfigError(f"out: {out} cannot be written ({problem.strerror}); set out") from problem
    print(
        f"{len(examples)} examples ({reconstructing.weights} weights), mean squared error {error:.5f} "
        f"of {content.units}"
    )
    print("".join(f"{line}\n" for line in rows), end="")
    print(f"grid:     {os.path.relpath(shown)}\narray:    {os.path.relpath(out / 'reconstructions.npz')}")
