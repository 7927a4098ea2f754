"""The plans of a bundle: in the cache inside the bundle, built where they are missing."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eengines.device_engine import DeviceBackend, Plan, PlanOptions
from eengines.engine_cache import EngineCache, Outcome, default_cache_folder, user_key
from eengines.errors import UserError
from eerun.bundle import ENGINES_FOLDER, Bundle

__all__ = ["CACHE_BYTES", "PlanSource", "bundle_cache"]

_log = logging.getLogger("eerun")

CACHE_BYTES = 16 * 2**30
"""Most bytes of the plans that are kept for one bundle."""


def bundle_cache(bundle: Bundle, *, max_bytes: int = CACHE_BYTES, trust: bool = False) -> EngineCache:
    """Return the cache of a bundle: `engines` inside it, or in a bundle that cannot be written the user's own.

    Neither needs the user to have a home: without one the bundle's is read, and its plans are nobody's. A folder that
    is a link is not used: what lies there is not of this bundle.

    Args:
        bundle: the bundle.
        max_bytes: most bytes of the plans.
        trust: take plans that another user or machine built; a plan can run code.

    Raises:
        UserError: `max_bytes` is negative, or the bundle's folder is a link and the user has no home.
    """
    key, no_key = None, ""
    try:
        key = user_key()
    except UserError as error:
        no_key = str(error)
    return EngineCache(_folder(bundle), max_bytes=max_bytes, key=key, trust=trust, no_key=no_key)


@dataclass(frozen=True, kw_only=True)
class PlanSource:
    """Where plans of one backend come from.

    Attributes:
        backend: builds them.
        options: how.
        cache: keeps them.
        say: takes a line before a plan is built; None: the logger `eengines` does, at INFO.
        warn: takes a line when a plan that was there is not taken, or one is not kept; None: the logger `eengines`
            does, at WARNING.
        progress: takes the share of the plan that is being built.
    """

    backend: DeviceBackend
    options: PlanOptions
    cache: EngineCache
    say: Callable[[str], None] | None = None
    warn: Callable[[str], None] | None = None
    progress: Callable[[float], None] = lambda _: None

    def fetch(self, graph: bytes, *, label: str) -> tuple[Plan, Outcome]:
        """Return the plan of a graph, and how it was come by.

        Raises:
            EngineError: the backend refuses the graph.
        """
        return self.cache.fetch(
            self.backend, graph, self.options, label=label, progress=self.progress, say=self.say, warn=self.warn
        )


def _folder(bundle: Bundle) -> Path:
    inside = bundle.path / ENGINES_FOLDER
    if inside.is_symlink():
        own = default_cache_folder()
        _log.warning("%s: it is a link, plans are kept in %s. Remove the link", inside, own)
        return own
    if os.access(inside if inside.is_dir() else bundle.path, os.W_OK):
        return inside
    try:
        return default_cache_folder()
    except UserError:  # no home: what is inside is used, and the cache says that it keeps nothing
        return inside
