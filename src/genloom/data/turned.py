"""A data set the other way round: what was given is modelled, and what was modelled is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genloom.contents.base import Content, why_not
from genloom.contents.condition import Condition
from genloom.data.base import InMemoryData, Split
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.spec import Spec


class Turned(InMemoryData):
    """A data set of which one of the conditions is modelled, given its content: pictures of captions become captions of
    pictures.

    Args:
        source: the data set.
        models: name of the condition that is modelled.
        gives: name under which the source's content is given.
        **in_memory: see :class:`~genloom.data.base.InMemoryData`.
    """

    def __init__(self, *, source: InMemoryData, models: str, gives: str = "content", **in_memory: Any) -> None:
        super().__init__(**in_memory)
        self.source = source
        self.models = models
        self.gives = gives

    def follow(self, spec: Spec) -> None:
        """Read the source as the model saw it."""
        own = spec.given.get(self.gives)
        if isinstance(own, self.source.kind):
            self.source.follow(Spec(self.source.name, own, {self.models: spec.content}))

    def prepare_data(self) -> None:
        """Fetch the source."""
        self.source.prepare_data()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The source's, if labels are still given."""
        return None if self.models == "label" else self.source.classes

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """What the source left out."""
        return self.source.skipped

    def content(self) -> Content:
        """Return what the chosen condition is.

        Raises:
            ConfigError: the source has no such condition, or it is nothing that can be modelled.
        """
        given = self.source.conditions()
        able = [name for name, condition in given.items() if why_not(self, condition) is None]
        if self.models not in able:
            raise ConfigError(
                f"data.models: {self.models} is not among what {self.source.name} gives and a model can have as its "
                f"content: {', '.join(able) or 'nothing'}"
            )
        return Content.of(given[self.models])

    def conditions(self) -> Mapping[str, Condition]:
        """Return the source's content under its name, and the source's other conditions."""
        others = {name: each for name, each in self.source.conditions().items() if name != self.models}
        if self.gives in others:
            raise ConfigError(f"data.gives: {self.gives} is what {self.source.name} gives already; choose another name")
        return {self.gives: self.source.content(), **others}

    def read(self, split: Split) -> Examples:
        """Read the source's split, and change places."""
        examples, content = self.source.split(split), self.content()
        others = {name: values for name, values in examples.given.items() if name != self.models}
        return content.examples(examples.given[self.models], {self.gives: examples.content, **others})
