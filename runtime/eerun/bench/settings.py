"""Everything that a user can choose for a bench run. The flags of `eerun bench` mirror these fields."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from eengines.device import Device
from eengines.errors import UserError
from eerun.bench.file_names import without_folder
from eerun.device_settings import DeviceSettings
from eerun.folding import Grouping

__all__ = ["OFFLINE_BATCH", "BenchSettings", "Scenario"]

OFFLINE_BATCH = 32


class Scenario(StrEnum):
    """How samples arrive, in the words of MLPerf LoadGen.

    offline: all samples are there at once; what counts is throughput. singlestream: one sample at a time, the next when
    the last was answered; what counts is the 90th percentile of latency. server: queries arrive as a Poisson process;
    what counts is how many are answered within a latency that is promised, see `eerun.bench.server`.
    """

    OFFLINE = "offline"
    SINGLESTREAM = "singlestream"
    SERVER = "server"


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """Settings of one bench run.

    Attributes:
        bundle: the bundle's folder; None: the only one in the current folder.
        data: `.npz` file, image folder or `package.module:function`; None: `model.npz` beside `model.ee`.
        batch: samples a batch; None: 32, or 1 for `singlestream`.
        scenario: how samples arrive.
        duration_s: seconds to measure, at least; the run always sees every test sample once.
        warm_up_ms: milliseconds to run before measuring.
        engine: name of the chain's backend, or `auto`.
        precision: of the chain: `float32`, `float16`, `bfloat16`, `int8` or `auto`.
        threads: threads of every engine; None: as many as cores.
        device: number of the GPU, where the bundle runs on one.
        in_flight: batches that run at once on a GPU.
        device_exits: let the GPU go from exit to exit without the host.
        trust_plans: take plans in the bundle that another user or machine built.
        against: a further rival from `RIVALS`, or None.
        model: the model file that this rival loads; None: the file that the bundle was built from, beside it.
        factory: `package.module:function` that makes the network of a checkpoint, for the rival.
        grouping: which images of a batch share a row of a folded network.
        unfolded: the bundle of the same network unfolded, which races too; None: `NAME-unfolded.ee` beside a folded
            bundle, if it is there.
        no_unfolded: race without it.
        seed: seed of the order of samples and of the bootstrap.
    """

    bundle: Path | None = None
    data: str | None = None
    batch: int | None = None
    scenario: Scenario = Scenario.OFFLINE
    duration_s: float = 5.0
    warm_up_ms: float = 200.0
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    device: int = 0
    in_flight: int = 2
    device_exits: bool = False
    trust_plans: bool = False
    against: str | None = None
    model: Path | None = None
    factory: str | None = None
    grouping: Grouping = Grouping.ARRIVAL
    unfolded: Path | None = None
    no_unfolded: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.scenario is Scenario.SERVER:
            raise UserError("--scenario", "got server, which has settings of its own", "Use eerun.bench.server")
        if self.batch is not None and self.batch < 1:
            raise UserError("--batch", f"got {self.batch}, expected at least 1", "Give a positive number of samples")
        if self.scenario is Scenario.SINGLESTREAM and self.batch not in (None, 1):
            raise UserError(
                "--batch", f"got {self.batch}, singlestream has one sample a query", "Leave it out, or use offline"
            )
        for flag, value in (("--duration", self.duration_s), ("--warm-up", self.warm_up_ms)):
            if not 0 <= value < float("inf"):
                raise UserError(flag, f"got {value}, expected 0 or more", "Give a time that is not negative")
        self.on_device()
        if self.seed < 0:
            raise UserError("--seed", f"got {self.seed}, expected 0 or more", "Give a number that is not negative")
        if self.against is None and (self.model is not None or self.factory is not None):
            flag = "--model" if self.model is not None else "--factory"
            raise UserError(flag, "got it without --against, which alone uses it", "Add --against torch")
        if self.unfolded is not None and self.no_unfolded:
            raise UserError("--unfolded", "got it together with --no-unfolded", "Leave one of them out")

    def on_device(self, device: Device | None = None) -> DeviceSettings:
        """Settings of the device executor; `device` is one that is open, in place of the number."""
        return DeviceSettings(
            device=self.device if device is None else device,
            in_flight=self.in_flight,
            device_exits=self.device_exits,
            trust_plans=self.trust_plans,
        )

    def without_folders(self) -> "BenchSettings":
        """Return the settings for a record: names instead of paths."""
        return replace(
            self,
            bundle=None if self.bundle is None else Path(without_folder(self.bundle)),
            data=None if self.data is None else without_folder(self.data),
            model=None if self.model is None else Path(without_folder(self.model)),
            unfolded=None if self.unfolded is None else Path(without_folder(self.unfolded)),
        )

    @property
    def batch_size(self) -> int:
        """Samples a batch."""
        if self.batch is not None:
            return self.batch
        return 1 if self.scenario is Scenario.SINGLESTREAM else OFFLINE_BATCH
