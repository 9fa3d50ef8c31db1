"""Where a set of samples came from."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Provenance:
    """Where a set of samples came from; ``str()`` of it is the line that figures print.

    Attributes:
        kind: the sampler's, see :mod:`qdvae_helpers.samplers`.
        description: one line for people.
        graph_hash: of the graph that the model lives on.
        parameters: what was chosen (seed, number of samples ...) and what was measured.
        time: when, in UTC.
    """

    kind: str
    description: str
    graph_hash: str
    parameters: dict
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"{self.description}, graph {self.graph_hash}"

    def to_dict(self) -> dict:
        """The same as plain values, for JSON."""
        return asdict(self)
