"""Where a set of samples came from."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Provenance:
    """Where a set of samples came from, and when (UTC); ``str()`` of it is what figures print."""

    kind: str  #: the sampler's, see :mod:`qdvae_helpers.samplers`
    description: str  #: one line for people
    graph_hash: str  #: of the graph that the model lives on
    parameters: dict  #: what was chosen (seed, number of samples ...) and what was measured
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"{self.description}, graph {self.graph_hash}"

    def to_dict(self) -> dict:
        """The same as plain values, for JSON."""
        return asdict(self)
