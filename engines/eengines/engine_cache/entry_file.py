"""The file that keeps one plan. It is read as data and nothing else: no pickle, no names of other files.

Layout, numbers little-endian:

    8 bytes   magic
    4 bytes   version of the format
    4 bytes   length of the header
    32 bytes  SHA-256 of the header
    header    JSON, `EntryHeader`
    content   the plan, to the end of the file
"""

import hashlib
import struct
from typing import BinaryIO

import msgspec

from eengines.device_engine import Plan
from eengines.engine_cache.origin import FORMAT, Origin

__all__ = ["DamagedEntryError", "EntryHeader", "encode_header", "read_header", "read_plan"]

MAGIC = b"EEPLAN\r\n"
"""Its line end shows when a file was transferred as text."""

PREFIX = struct.Struct("<8sII32s")
MAX_HEADER_BYTES = 2**20


class DamagedEntryError(ValueError):
    """The file is not what was written."""


class EntryHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says of its plan.

    Attributes:
        label: the caller's words for the graph, such as `segment 2`.
        origin: what the plan depends on.
        notes: `Plan.notes`.
        content_bytes: length of the plan.
        content_sha256: SHA-256 of the plan.
    """

    label: str
    origin: Origin
    notes: tuple[str, ...]
    content_bytes: int
    content_sha256: str


def encode_header(label: str, origin: Origin, plan: Plan) -> bytes:
    """Return all that a file has in front of the plan's content."""
    header = msgspec.json.encode(
        EntryHeader(
            label=label,
            origin=origin,
            notes=plan.notes,
            content_bytes=len(plan.content),
            content_sha256=hashlib.sha256(plan.content).hexdigest(),
        )
    )
    return PREFIX.pack(MAGIC, FORMAT, len(header), hashlib.sha256(header).digest()) + header


def read_header(file: BinaryIO, size: int) -> EntryHeader:
    """Read and verify the front of a file of `size` bytes.

    Raises:
        DamagedEntryError: it is not a file of this format, or not whole.
    """
    prefix = file.read(PREFIX.size)
    if not MAGIC.startswith(prefix[: len(MAGIC)]) or not prefix:
        raise DamagedEntryError(f"it begins with {prefix[: len(MAGIC)]!r}, expected {MAGIC!r}")
    if len(prefix) < PREFIX.size:
        raise DamagedEntryError(f"got {size} bytes, expected at least {PREFIX.size}")
    _, version, length, digest = PREFIX.unpack(prefix)
    if version != FORMAT:
        raise DamagedEntryError(f"got format {version}, expected {FORMAT}")
    if length > MAX_HEADER_BYTES:
        raise DamagedEntryError(f"got a header of {length} bytes, expected at most {MAX_HEADER_BYTES}")
    content = file.read(length)
    if hashlib.sha256(content).digest() != digest:
        raise DamagedEntryError("the SHA-256 of the header is not the one written")
    try:
        header = msgspec.json.decode(content, type=EntryHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedEntryError(f"its header cannot be understood: {error}") from error
    expected = PREFIX.size + length + header.content_bytes
    if size != expected:
        raise DamagedEntryError(f"got {size} bytes, expected {expected}")
    return header


def read_plan(file: BinaryIO, header: EntryHeader) -> Plan:
    """Read and verify the plan of a file that `read_header` has just read.

    Raises:
        DamagedEntryError: the content is not what was written.
    """
    content = file.read()
    if len(content) != header.content_bytes or hashlib.sha256(content).hexdigest() != header.content_sha256:
        raise DamagedEntryError("the SHA-256 of the plan is not the one written")
    return Plan(content=content, notes=header.notes)
