"""The file that keeps one plan. It is read as data and nothing else: no pickle, no names of other files.

Layout, numbers little-endian:

    8 bytes   magic
    4 bytes   version of the format
    4 bytes   length of the header
    32 bytes  SHA-256 of tag and header
    32 bytes  tag: HMAC-SHA256 of magic, version, length, header and content under the key of the user who made the
              plan; zeros if there was none
    header    JSON, `EntryHeader`
    content   the plan, to the end of the file

The digests tell whether the file is what was written, and nothing of who wrote it: that is the tag.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from eengines.device_engine import Plan
from eengines.engine_cache.origin import FORMAT, Origin

__all__ = ["DamagedEntryError", "EntryFront", "EntryHeader", "encode_front", "read_front", "read_plan"]

MAGIC = b"EEPLAN\r\n"
"""Its line end shows when a file was transferred as text."""

PREFIX = struct.Struct("<8sII32s32s")
TAGGED = struct.Struct("<8sII")
"""What the tag covers of the prefix."""
NO_TAG = bytes(32)
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


@dataclass(frozen=True, kw_only=True)
class EntryFront:
    """All that a file has in front of the plan's content, verified but for the tag.

    Attributes:
        header: what the file says of its plan.
        encoded: that, as it stands in the file.
        tag: see above.
    """

    header: EntryHeader
    encoded: bytes
    tag: bytes

    def is_by(self, user_key: bytes, plan: Plan) -> bool:
        """Tell whether the file, with this plan in it, was made under a key, in a time that does not tell the tag."""
        return hmac.compare_digest(self.tag, _tag(user_key, self.encoded, plan.content))


def encode_front(label: str, origin: Origin, plan: Plan, user_key: bytes | None) -> bytes:
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
    tag = NO_TAG if user_key is None else _tag(user_key, header, plan.content)
    return PREFIX.pack(MAGIC, FORMAT, len(header), hashlib.sha256(tag + header).digest(), tag) + header


def read_front(file: BinaryIO, size: int) -> EntryFront:
    """Read and verify the front of a file of `size` bytes.

    Raises:
        DamagedEntryError: it is not a file of this format, or not whole.
    """
    prefix = file.read(PREFIX.size)
    if not MAGIC.startswith(prefix[: len(MAGIC)]) or not prefix:
        raise DamagedEntryError(f"it begins with {prefix[: len(MAGIC)]!r}, expected {MAGIC!r}")
    if len(prefix) < PREFIX.size:
        raise DamagedEntryError(f"got {size} bytes, expected at least {PREFIX.size}")
    _, version, length, digest, tag = PREFIX.unpack(prefix)
    if version != FORMAT:
        raise DamagedEntryError(f"got format {version}, expected {FORMAT}")
    if length > MAX_HEADER_BYTES:
        raise DamagedEntryError(f"got a header of {length} bytes, expected at most {MAX_HEADER_BYTES}")
    encoded = file.read(length)
    if hashlib.sha256(tag + encoded).digest() != digest:
        raise DamagedEntryError("the SHA-256 of tag and header is not the one written")
    try:
        header = msgspec.json.decode(encoded, type=EntryHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedEntryError(f"its header cannot be understood: {error}") from error
    expected = PREFIX.size + length + header.content_bytes
    if size != expected:
        raise DamagedEntryError(f"got {size} bytes, expected {expected}")
    return EntryFront(header=header, encoded=encoded, tag=tag)


def read_plan(file: BinaryIO, header: EntryHeader) -> Plan:
    """Read and verify the plan of a file whose front `read_front` has just read; who made it is not asked.

    Raises:
        DamagedEntryError: the content is not what was written.
    """
    content = file.read()
    if len(content) != header.content_bytes or hashlib.sha256(content).hexdigest() != header.content_sha256:
        raise DamagedEntryError("the SHA-256 of the plan is not the one written")
    return Plan(content=content, notes=header.notes)


def _tag(user_key: bytes, header: bytes, content: bytes) -> bytes:
    """The length of the header is inside, so that no byte can pass from one part to the other."""
    front = TAGGED.pack(MAGIC, FORMAT, len(header))
    mac = hmac.new(user_key, front + header, hashlib.sha256)
    mac.update(content)
    return mac.digest()
