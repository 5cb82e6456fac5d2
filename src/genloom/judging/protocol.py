"""What a number must be read with: which sets were compared, of what size, by what, and how samples were drawn."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """The record of one evaluation, in plain data; numbers compare where it is the same.

    Args:
        data: the real data's name, fingerprint, and what is said of its content.
        reference: split and fingerprint of the set that candidates are compared with; None if nothing was compared.
        heldout: of the set that gives the floor; None for no floor.
        n_reference: examples of the reference.
        n_fake: examples of each candidate.
        sampler: how models were drawn from; None if none was.
        device: type of the device.
        versions: of the libraries that numbers depend on.
        metrics: parameters of each, by its class.
        extractors: those that looked, by name.
        measured: split, number and fingerprint of the examples that models were asked about; None if none was.
        n_substitutes: examples of each candidate that take the reference's place; 0 if none do.
    """

    data: Mapping[str, Any]
    reference: Mapping[str, Any] | None
    heldout: Mapping[str, Any] | None
    n_reference: int
    n_fake: int
    sampler: Mapping[str, Any] | None
    device: str
    versions: Mapping[str, str]
    metrics: Mapping[str, Any]
    extractors: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] | None = None
    n_substitutes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for metrics.json; without ``measured`` and ``n_substitutes`` where there are none."""
        plain = asdict(self)
        for name in ("measured", "n_substitutes"):
            if not plain[name]:
                del plain[name]
        return plain
