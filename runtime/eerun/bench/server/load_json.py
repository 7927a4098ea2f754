"""A load test as JSON."""

import msgspec

from eerun.bench.json_report import encode_path
from eerun.bench.server.load_result import LoadResult

__all__ = ["load_json"]


def load_json(result: LoadResult) -> bytes:
    """Return the whole result, indented; paths become file names."""
    return msgspec.json.format(msgspec.json.encode(result, enc_hook=encode_path), indent=2) + b"\n"
