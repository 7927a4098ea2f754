"""What an operator chooses of the server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from eengines.errors import UserError
from eerun.folding.grouping import Grouping
from eerun.scheduler import SchedulerSettings

__all__ = ["LogFormat", "ServeSettings", "name_bundles"]

MAX_PORT = 65535
NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._-]+")
"""Of a model: what stands in paths as it is. Dots alone would be another path."""
TAKEN = "stats"
"""`/v2/models/stats` tells the statistics of all models."""


class LogFormat(StrEnum):
    """How a line of the log looks."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Settings of a server.

    Attributes:
        bundles: `(name, folder)` of each model; see `name_bundles`.
        host: address to listen at.
        port: port of HTTP; 0: a free one.
        grpc_port: port of gRPC; 0: a free one; None: no gRPC.
        metrics_port: a second port that has nothing but `/metrics`; None: there is none.
        engine: see `eerun.load`, as everything down to `shadow_confidence`.
        precision: as `engine`.
        threads: as `engine`.
        device: number of the GPU.
        in_flight: as `engine`.
        device_exits: as `engine`.
        trust_plans: as `engine`.
        grouping: as `engine`.
        max_batch: as `engine`.
        whole: serve the whole network without exits.
        scheduling: limits and delays of the schedulers.
        shadow: as `engine`.
        shadow_seed: as `engine`.
        shadow_limit: as `engine`.
        shadow_confidence: as `engine`.
        max_request_bytes: most bytes of a body, also after it is unpacked.
        max_held_bytes: most bytes of the bodies and messages of all requests that are being read or answered.
        request_timeout_s: most seconds from the first byte of a request to its last, and for an answer to be taken.
        keep_alive_s: seconds after which a connection without requests is closed.
        max_connections: most HTTP connections at once.
        drain_s: most seconds to answer what was accepted, after SIGTERM.
        reload_s: seconds between two looks at the bundles for new ones; 0: nobody looks.
        load_over_network: whether clients may have models loaded again.
        log_format: how a line of the log looks.
        log_requests: write a line for each request that was answered, too.
        otel: make OpenTelemetry spans.
    """

    bundles: tuple[tuple[str, Path], ...]
    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int | None = 8001
    metrics_port: int | None = None
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    device: int = 0
    in_flight: int = 2
    device_exits: bool = False
    trust_plans: bool = False
    grouping: Grouping = Grouping.ARRIVAL
    max_batch: int | None = None
    whole: bool = False
    scheduling: SchedulerSettings = field(default_factory=SchedulerSettings)
    shadow: float | None = None
    shadow_seed: int = 0
    shadow_limit: float | None = None
    shadow_confidence: float | None = None
    max_request_bytes: int = 64 * 2**20
    max_held_bytes: int = 512 * 2**20
    request_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    max_connections: int = 1024
    drain_s: float = 30.0
    reload_s: float = 2.0
    load_over_network: bool = True
    log_format: LogFormat = LogFormat.TEXT
    log_requests: bool = False
    otel: bool = False

    def __post_init__(self) -> None:
        if not self.bundles:
            raise UserError("bundles", "none is given", "Give the folder of one or more bundles")
        for name, _ in self.bundles:
            if not NAME.fullmatch(name) or name == TAKEN:
                problem = f"{name!r} cannot be the name of a model: it is part of paths, and {TAKEN!r} is taken"
                raise UserError("bundles", problem, "Give NAME=PATH, with a name of letters, digits, '.', '_' and '-'")
        names = [name for name, _ in self.bundles]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError("bundles", f"two bundles have the name {twice[0]!r}", "Give each a name: NAME=PATH")
        for field_name in ("port", "grpc_port", "metrics_port"):
            value = getattr(self, field_name)
            if value is not None and not 0 <= value <= MAX_PORT:
                raise UserError(field_name, f"got {value}, expected 0 to {MAX_PORT}", "Give a port number")
        self._check_least()

    def _check_least(self) -> None:
        """Refuse limits that nothing could keep."""
        if self.max_held_bytes < self.max_request_bytes:
            problem = f"got {self.max_held_bytes}, expected at least max_request_bytes, {self.max_request_bytes}"
            raise UserError("max_held_bytes", problem, "Give a larger one, or smaller requests")
        least = {"max_request_bytes": 1, "max_connections": 1, "drain_s": 0, "reload_s": 0}
        for name, bound in least.items():
            if not getattr(self, name) >= bound:
                raise UserError(name, f"got {getattr(self, name)}, expected at least {bound}", "Give a larger number")
        for name in ("request_timeout_s", "keep_alive_s"):
            if not getattr(self, name) > 0:
                raise UserError(name, f"got {getattr(self, name)}, expected more than 0", "Give seconds")


def name_bundles(given: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """Return names and folders of bundles given as `NAME=PATH`, or as `PATH` for the folder's name without `.ee`."""
    return tuple(_name(text) for text in given)


def _name(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if equals and "/" not in name and not Path(text).is_dir():
        return name, Path(path)
    folder = Path(text)
    return (folder if folder.name not in ("", "..") else folder.resolve()).name.removesuffix(".ee"), folder
