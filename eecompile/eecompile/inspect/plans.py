"""The plans of GPUs that a bundle has kept, as text."""

from itertools import groupby

from eecompile.inspect.wrapped import WIDTH
from eengines.engine_cache import CacheEntry, EngineCache
from eengines.errors import UserError
from eerun.bench.table import aligned, number
from eerun.bundle import ENGINES_FOLDER, Bundle
from eerun.plans import CACHE_BYTES

__all__ = ["plans_lines"]

MIB = 2**20
LABEL_WIDTH = 68


def plans_lines(bundle: Bundle) -> list[str]:
    """One line for each plan, the last used first, under the library and card that it is for; none if none is kept."""
    folder = bundle.path / ENGINES_FOLDER
    if folder.is_symlink():
        return ["", f"{ENGINES_FOLDER}: a link, which is not used"]
    try:
        info = EngineCache(folder, max_bytes=CACHE_BYTES, key=None).info()
    except UserError as error:
        return ["", f"{ENGINES_FOLDER}: {error.problem}"]
    if not info.entries:
        return []
    lines = ["", f"---- Plans kept in the bundle: {len(info.entries)}, {info.nbytes / MIB:.2f} MiB ----"]
    for (_, maker), entries in groupby(sorted(info.entries, key=_maker), key=_maker):
        lines += [_cut(maker, WIDTH), *aligned([["", "MiB", "last used (UTC)"], *map(_row, entries)])]
    return lines


def _maker(entry: CacheEntry) -> tuple[bool, str]:
    """Library and card; plans that cannot be used come last."""
    if entry.problem:
        return True, "Cannot be used, built again where they are needed:"
    words = [words for words in (entry.library, entry.card) if words]
    return False, f"For {', '.join(words) or entry.engine}:"


def _row(entry: CacheEntry) -> list[str]:
    words = f"{entry.key[:8]}…: {entry.problem}" if entry.problem else entry.label
    return [f"  {_cut(words, LABEL_WIDTH)}", number(entry.nbytes / MIB, 2), f"{entry.last_used:%Y-%m-%d %H:%M}"]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
