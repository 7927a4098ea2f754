"""Everything that a user can choose for a load test; the flags of `eerun bench --scenario server` mirror it."""

from dataclasses import dataclass, replace
from pathlib import Path

from eengines.errors import UserError
from eerun.bench.file_names import command_without_folders, without_folder
from eerun.bench.server.serve_flags import check_serve_flags

__all__ = ["LoadSettings"]


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """Settings of one load test, MLPerf LoadGen's scenario `server`.

    Attributes:
        bundle: the bundle's folder; None: the only one in the current folder. With `url` it is needed only for `check`.
        data: `.npz` file, image folder or `package.module:function`; None: `model.npz` beside `model.ee`.
        batch: samples a query.
        duration_s: seconds of load for each server, without warm-up.
        warm_up_ms: milliseconds of load before each block, which do not count.
        engine: name of the chain's backend, or `auto`; the whole network runs where it is the fastest, see
            `eerun serve --whole`.
        precision: of the chain: `float32`, `float16`, `bfloat16`, `int8` or `auto`.
        threads: threads of every engine; None: as many as cores.
        seed: seed of arrivals, of the choice of samples and of the bootstrap.
        qps: queries a second, on average; None: search the most that is VALID.
        slo_ms: latency that is promised, in milliseconds.
        percentile: percentage of the queries that must keep it.
        min_queries: least queries of a VALID run; a run goes on until it has them.
        blocks: parts of a run; the servers take turns block by block.
        connections: most connections that are open at once.
        check: compare every answer with `Model.infer`.
        serve_flags: further flags for `eerun serve`, of both servers; see `check_serve_flags`.
        url: a running server, which alone is driven; None: `eerun serve` is started.
        served: name of the model on that server; None: the only one.
    """

    bundle: Path | None = None
    data: str | None = None
    batch: int = 1
    duration_s: float = 60.0
    warm_up_ms: float = 200.0
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    seed: int = 0
    qps: float | None = None
    slo_ms: float = 50.0
    percentile: float = 99.0
    min_queries: int = 100
    blocks: int = 8
    connections: int = 512
    check: bool = False
    serve_flags: tuple[str, ...] = ()
    url: str | None = None
    served: str | None = None

    def __post_init__(self) -> None:
        self._check_counts()
        self._check_times()
        if self.url is None and self.served is not None:
            raise UserError("--model", "got it without --url, whose model it names", "Leave it out, or add --url")
        if self.url is not None and self.serve_flags:
            raise UserError("--serve-flags", "got it together with --url, whose server runs", "Leave one of them out")
        check_serve_flags(self.serve_flags, check=self.check)
        if self.url is not None and self.check and self.bundle is None:
            raise UserError("--check", "got it with --url, but no bundle to compare with", "Add --bundle")

    def _check_counts(self) -> None:
        least = {
            "--batch": (self.batch, 1),
            "--min-queries": (self.min_queries, 1),
            "--blocks": (self.blocks, 1),
            "--connections": (self.connections, 1),
            "--seed": (self.seed, 0),
        }
        for flag, (count, bound) in least.items():
            if count < bound:
                raise UserError(flag, f"got {count}, expected at least {bound}", "Give a larger number")

    def _check_times(self) -> None:
        positive = {"--duration": self.duration_s, "--slo-ms": self.slo_ms, "--qps": self.qps}
        for flag, value in positive.items():
            if value is not None and not 0 < value < float("inf"):
                raise UserError(flag, f"got {value}, expected more than 0", "Give a positive number")
        if not 0 <= self.warm_up_ms < float("inf"):
            raise UserError("--warm-up", f"got {self.warm_up_ms}, expected 0 or more", "Give a time of 0 or more")
        if not 0 < self.percentile < 100:
            problem = f"got {self.percentile}, expected more than 0 and less than 100"
            raise UserError("--percentile", problem, "Give a percentage such as 99")

    @property
    def slo_ns(self) -> int:
        """The promised latency in nanoseconds."""
        return int(self.slo_ms * 1e6)

    def without_folders(self) -> "LoadSettings":
        """Return the settings for a record: names instead of paths."""
        return replace(
            self,
            bundle=None if self.bundle is None else Path(without_folder(self.bundle)),
            data=None if self.data is None else without_folder(self.data),
            serve_flags=command_without_folders(self.serve_flags),
        )
