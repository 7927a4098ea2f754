"""Record a bundle into a folder, so that policies can be tried again without running it."""

from dataclasses import dataclass
from pathlib import Path

from eecalib.trace import Recording, write_recording
from eecompile.stages import Stages
from eecompile.tune.configuration_to_try import configuration_to_try, configurations_here
from eecompile.tune.load_splits import load_whole_groups
from eecompile.tune.record import record_bundle
from eengines.errors import UserError
from eerun.bundle import open_bundle
from eerun.choose_configuration import AUTO

__all__ = ["TraceSettings", "trace_bundle"]


@dataclass(frozen=True, kw_only=True)
class TraceSettings:
    """Settings of one recording.

    Attributes:
        data: the data of the build; None: the `.npz` of the model's or the bundle's name beside the bundle.
        output: folder to write; None: the bundle's name with `.trace`, beside it.
        engine: backend of the configuration that is recorded; `auto`: the fastest chain on this CPU.
        precision: of its graphs, or `auto`.
        threads: threads of the engine; None: as many as cores.
    """

    data: str | None = None
    output: Path | None = None
    engine: str = AUTO
    precision: str = AUTO
    threads: int | None = None


def trace_bundle(path: Path, settings: TraceSettings, stages: Stages) -> tuple[Recording, Path, int]:
    """Run tune, certify and test with exits off, and keep what every exit says.

    Returns:
        What was recorded, the folder, and its bytes.

    Raises:
        UserError: the folder cannot be written.
        DataError: there are no data, or they are not those of the build.
        EngineError: the engine failed.
    """
    bundle = open_bundle(path)
    output = settings.output or path.with_suffix(".trace")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(str(output), "it exists and is not empty", "Choose another place with -o, or remove it")
    way = configuration_to_try(
        bundle, configurations_here(bundle), engine=settings.engine, precision=settings.precision
    )
    splits = load_whole_groups(bundle, settings.data, stages)
    recording = record_bundle(way, splits, stages, threads=settings.threads)
    with stages.stage("write the trace"):
        written = write_recording(recording, output)
    return recording, output, written
