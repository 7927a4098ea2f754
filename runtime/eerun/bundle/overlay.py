"""A bundle some of whose files are about to be replaced: it can run before it is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from eerun.bundle.reader import Bundle

__all__ = ["OverlaidBundle"]


@dataclass(frozen=True, kw_only=True)
class OverlaidBundle(Bundle):
    """An opened bundle with other content for some of its files.

    Attributes:
        replaced: path in the bundle -> bytes; all other files are those on disk.
    """

    replaced: Mapping[str, bytes]

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; see `Bundle.read`."""
        return self.replaced[name] if name in self.replaced else super().read(name)
