"""A bench result as JSON."""

from pathlib import Path

import msgspec

from eerun.bench.file_names import without_folder
from eerun.bench.result import BenchResult

__all__ = ["encode_path", "json_report"]


def json_report(result: BenchResult) -> bytes:
    """Return the whole result, indented; paths become file names."""
    return msgspec.json.format(msgspec.json.encode(result, enc_hook=encode_path), indent=2) + b"\n"


def encode_path(value: object) -> str:
    """Encode what JSON does not know."""
    if isinstance(value, Path):
        return without_folder(value)
    raise TypeError(f"no JSON form of {type(value).__name__}")
