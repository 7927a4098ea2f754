"""Everything that a user can choose for an export. The flags of `eecompile export` mirror these fields."""

import re
from dataclasses import dataclass
from enum import StrEnum

from eengines.errors import UserError
from eerun.choose_configuration import AUTO

__all__ = ["ExportSettings", "ExportTarget", "InstanceKind"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names that are a folder's and need no escape in a URL."""


class ExportTarget(StrEnum):
    """Servers that a bundle can be exported to."""

    TRITON = "triton"


class InstanceKind(StrEnum):
    """What an instance of the model runs on."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Settings of one export.

    Attributes:
        to: the server.
        name: of the model there; None: that of the bundle's folder, without its extension.
        version: of the model there, from 1.
        max_batch: the most samples of a request, and of requests that the server joins; None: the largest batch that
            the bundle was built for.
        max_queue_delay_us: how long the server may hold a request to join others to it, in microseconds.
        instance_kind: what the model runs on; on a GPU there is one instance for each card.
        engine: name of a backend, or `auto` for the fastest that can be used where the server runs.
        precision: of its graphs, or `auto`.
        threads: of the engine; None: one a core.
        force: replace this version, and the model's configuration, if they are there.

    Raises:
        UserError: a field that does not fit.
    """

    to: ExportTarget = ExportTarget.TRITON
    name: str | None = None
    version: int = 1
    max_batch: int | None = None
    max_queue_delay_us: int = 0
    instance_kind: InstanceKind = InstanceKind.CPU
    engine: str = AUTO
    precision: str = AUTO
    threads: int | None = None
    force: bool = False

    def __post_init__(self) -> None:
        least = (
            ("--version", self.version, 1),
            ("--max-batch", self.max_batch, 1),
            ("--max-queue-delay-us", self.max_queue_delay_us, 0),
            ("--threads", self.threads, 1),
        )
        for flag, value, bound in least:
            if value is not None and value < bound:
                raise UserError(flag, f"got {value}, expected at least {bound}", "Give a larger number")
        if self.name is not None and NAME.fullmatch(self.name) is None:
            problem = f"got {self.name!r}, expected letters, digits, '_', '-' and '.'"
            raise UserError("--name", problem, "Choose such a name")
