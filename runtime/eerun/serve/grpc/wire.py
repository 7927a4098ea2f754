"""Fields of a message in protobuf's wire format, without a copy of anything and without making messages of them."""

from collections.abc import Iterator

from eerun.serve.errors import RequestError

__all__ = ["FIXED", "Field", "Walk", "signed", "varint"]

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, 3 and 4, are not in any message that is taken here."""
FIXED = {FIXED64: 8, FIXED32: 4}
LONGEST_VARINT = 10

Field = tuple[int, int, int | memoryview]
"""Number, wire type, and the value: a number where that is a varint, else its bytes."""


class Walk:
    """Goes through messages, and ends when they have too many fields, each of which protobuf would make an object of.

    Args:
        most: fields, of all messages that it goes through together.
    """

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def fields(self, content: memoryview) -> Iterator[Field]:
        """Go through the fields of a message, not those of messages inside of it.

        Raises:
            RequestError: it is not a message, or there are too many fields.
        """
        at, end = 0, len(content)
        while at < end:
            self._left -= 1
            if self._left < 0:
                problem = f"it has more than {self._most} fields"
                raise RequestError("request", problem, "Send tensors packed, or as raw_input_contents")
            tag, at = varint(content, at)
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value, at = varint(content, at)
                yield number, kind, value
                continue
            if kind == DELIMITED:
                size, at = varint(content, at)
            elif kind in FIXED:
                size = FIXED[kind]
            else:
                raise _broken()
            if size > end - at:
                raise _broken()
            yield number, kind, content[at : at + size]
            at += size


def varint(content: memoryview, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends.

    Raises:
        RequestError: there is none.
    """
    value = 0
    for shift, byte in enumerate(content[at : at + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise _broken()


def signed(value: int) -> int:
    """Return what a varint means as int64."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _broken() -> RequestError:
    remedy = "Send what the Open Inference Protocol v2 says"
    return RequestError("request", "it is not a message in protobuf's wire format", remedy)
