"""Sizes in flags."""

import pytest

from eecompile.cli.byte_size import parse_bytes
from eengines.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("65536", 65536), ("12B", 12), ("4MiB", 4 << 20), (" 1.5 KiB ", 1536), ("2 GiB", 2 << 30)],
)
def test_sizes(text, expected):
    assert parse_bytes("--max-memory", text) == expected


@pytest.mark.parametrize("text", ["", "MiB", "4 MB", "-1", "4MiB5", "1e3"])
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match=r"--max-memory: got .*, expected a number of bytes"):
        parse_bytes("--max-memory", text)
