"""Write what a benchmark of INT8 measured to `benchmarks/results/`, with the machine and the versions behind it."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from eerun.bench.environment import environment

__all__ = ["RESULTS", "public_word", "write_result"]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def write_result(benchmark: str, network: str, result: dict[str, Any]) -> None:
    """Write `<benchmark>-<network>.json`; the recorded command names files, not folders of this machine."""
    command = " ".join(public_word(word) for word in sys.argv)
    record = {"environment": replace(environment(), command=command), "network": network, **result}
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{benchmark}-{network}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    print(f"wrote {file.relative_to(ROOT)}")


def public_word(word: str) -> str:
    """A word of the command line without the folder that a file lies in."""
    return word if not word.startswith("/") else Path(word).name
