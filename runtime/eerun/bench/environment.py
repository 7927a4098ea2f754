"""The machine, the versions and the command behind a result."""

import platform
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from eengines.threads import default_threads
from eerun.bench.file_names import command_without_folders
from eerun.measure_costs import device_name

__all__ = ["Environment", "environment"]

RECORDED_VERSIONS = (
    "eecompile",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "torch",
    "tensorrt",
    "tensorrt-rtx",
    "tensorrt-rtx-cu13",
    "cuda-bindings",
    "nvidia-ml-py",
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where and when something was measured.

    Attributes:
        processor: name of the processor.
        cores: cores that this process may use.
        system: operating system and its version.
        python: version of Python.
        versions: versions of the libraries that are installed.
        command: the command line, without the folders of files.
        date_utc: start of the record, ISO 8601.
        driver: version of the GPU's driver; None: no GPU took part.
    """

    processor: str
    cores: int
    system: str
    python: str
    versions: dict[str, str]
    command: str
    date_utc: str
    driver: str | None = None


def environment() -> Environment:
    """Describe this process."""
    versions = {}
    for name in RECORDED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        processor=device_name(),
        cores=default_threads(),
        system=platform.platform(),
        python=platform.python_version(),
        versions=versions,
        command=shlex.join(command_without_folders(sys.argv)),
        date_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
