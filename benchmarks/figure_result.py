"""Write a figure about attached heads, with the machine and the versions behind it; a quick run is no result."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.int8_result import RESULTS, public_word
from eerun.bench.environment import environment

__all__ = ["add_common_flags", "sizes", "write_figure"]

QUICK = "quick run at the smallest size: these numbers are no result"


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--quick` and `--output`."""
    parser.add_argument("--quick", action="store_true", help="the smallest size, to see that everything is there")
    parser.add_argument(
        "--output", type=Path, help="folder of the result; default benchmarks/results, in a quick run the current one"
    )


def sizes(args: argparse.Namespace) -> dict[str, int | float | str]:
    """What the command line chose, without folders of this machine."""
    chosen = {name: value for name, value in vars(args).items() if isinstance(value, int | float | str)}
    return {name: public_word(value) if isinstance(value, str) else value for name, value in chosen.items()}


def write_figure(figure: str, network: str, result: dict[str, Any], args: argparse.Namespace) -> Path:
    """Write `<figure>-<network>.json`, or `quick-<figure>-<network>.json`.

    Args:
        figure: name of the benchmark.
        network: name of the network.
        result: what was measured.
        args: with the flags of `add_common_flags`.
    """
    head = {"what": QUICK} if args.quick else {}
    command = " ".join(public_word(word) for word in sys.argv)
    record = {**head, "environment": replace(environment(), command=command), "network": network, **result}
    folder = args.output or (Path() if args.quick else RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    file = Path(folder) / f"{'quick-' if args.quick else ''}{figure}-{network}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    print(f"wrote {file}")
    return file
