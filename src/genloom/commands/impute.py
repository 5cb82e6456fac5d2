"""``genloom impute``: the empty cells of a table, filled by a checkpoint alone."""

import os
from pathlib import Path

from omegaconf import DictConfig

from genloom.commands import output
from genloom.commands.assembly import load_model
from genloom.data.tables.gaps import Gaps
from genloom.errors import ConfigError
from genloom.models.abilities import Completes, checked
from genloom.models.generation import complete_examples
from genloom.printable import printable


def run(config: DictConfig) -> None:
    """Write the table with its empty cells filled, several times if that is wanted; all other cells as they are.

    Raises:
        GenloomError: the checkpoint or the table cannot be used, or its model does not complete.
    """
    model, file = load_model(config)
    model = checked("genloom impute", Completes, model).using(config.weights)
    if model.conditions:
        raise ConfigError(
            f"checkpoint: {file} is told {', '.join(model.conditions)} of a row before the others, and not where it is "
            "empty; train a model of all columns, with data.given=[]"
        )
    path = Path(config.data.path).expanduser()
    gaps = Gaps(path, model.spec, separator=config.data.separator, decimal=config.data.decimal)
    if config.fill == "mean" and config.imputations > 1:
        raise ConfigError(
            f"imputations: {config.imputations} tables would be the same with fill=mean; set it to 1, or fill=draw"
        )
    num = config.draws if config.fill == "mean" else config.imputations
    some = gaps.partial
    completed = gaps.stored[:0].unsqueeze(1).expand(-1, num, -1)
    if len(some):
        drawn = complete_examples(model, some.times(num), seed=config.seed, progress_bar=True).content
        completed = drawn.view(len(some), num, -1)
    if config.fill == "mean":
        completed = gaps.content.centres(completed).unsqueeze(1)
    paths = []
    for number, rows in enumerate(completed.unbind(1), 1):
        out = output.file(_numbered(config, number), Path("samples") / f"{file.stem}-{path.stem}{path.suffix}")
        try:
            gaps.write(rows, out)
        except OSError as error:
            raise ConfigError(f"out: {out} cannot be written ({error.strerror}); set out") from error
        paths.append(out)
    counts = gaps.counts()
    print(f"{sum(counts.values())} cells filled in {len(some)} of {len(gaps.stored)} rows ({model.weights} weights)")
    print("".join(f"  {printable(name)}: {count}\n" for name, count in counts.items()), end="")
    if nothing := int((~some.known).all(dim=1).sum()):
        print(f"note: nothing is known of {nothing} of these rows, so all of their cells are made up")
    if gaps.others:
        print(f"as they were, since the model does not know them: {printable(', '.join(gaps.others))}")
    print("\n".join(f"table:    {os.path.relpath(out)}" for out in paths))


def _numbered(config: DictConfig, number: int) -> str | None:
    """Return the file that the user names for a table, numbered where there are several."""
    if not config.out or config.imputations == 1:
        return config.out
    out = Path(config.out)
    return str(out.with_name(f"{out.stem}-{number}{out.suffix}"))
