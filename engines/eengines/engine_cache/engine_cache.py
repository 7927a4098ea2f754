"""The cache of plans: fetch one, and it is built only if nothing that was kept is exactly it."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from eengines.device_engine import DeviceBackend, Plan, PlanOptions
from eengines.engine_cache.cache_info import CacheInfo, list_cache
from eengines.engine_cache.entry_file import DamagedEntryError, encode_front
from eengines.engine_cache.entry_folder import EntryFolder
from eengines.engine_cache.file_lock import FileLock
from eengines.engine_cache.origin import Origin, plain
from eengines.engine_cache.outcome import Outcome
from eengines.engine_cache.user_key import KEY_BYTES
from eengines.errors import UserError

__all__ = ["EngineCache"]

_log = logging.getLogger("eengines")

POLL_S = 0.1

Say = Callable[[str], None]
Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """Whom to tell, and what to call the plan."""

    label: str
    progress: Progress
    say: Say
    warn: Say


@dataclass(frozen=True, kw_only=True)
class _Unusable:
    """Why a plan that was kept is not taken.

    Attributes:
        clause: the reason.
        foreign: the file is whole, but nothing tells that this user made it. It stays until a plan takes its place.
    """

    clause: str
    foreign: bool = False


class EngineCache:
    """Plans in a folder, the least recently used leave first. Processes and threads may share it.

    A plan is code for GPU and host, and who may write the folder may write any: so a plan is taken only if it carries
    the mark of the user's key. Hashes tell damage, not malice.

    Args:
        folder: where; it is made when the first plan is built.
        max_bytes: most bytes of all plans in it, those of earlier processes included.
        key: of this user, see `user_key`; None: there is none, and plans are kept without a mark.
        trust: take plans without the mark of `key` too, if their digest is right.
        no_key: why `key` is None, for messages.

    Raises:
        UserError: `max_bytes` is negative, or `key` is not 32 bytes.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, key: bytes | None, trust: bool = False, no_key: str = "none is given"
    ) -> None:
        if max_bytes < 0:
            raise UserError("max_bytes", f"got {max_bytes}, expected 0 or more", "Give the size of the cache in bytes")
        if key is not None and len(key) != KEY_BYTES:
            raise UserError("key", f"got {len(key)} bytes, expected {KEY_BYTES}", "Give the one of `user_key`, or None")
        self._folder = EntryFolder(folder, max_bytes=max_bytes)
        self._key = key
        self._trust = trust
        self._no_key = no_key
        self._warned = False
        self._warned_of_key = False

    def fetch(
        self,
        backend: DeviceBackend,
        graph: bytes,
        options: PlanOptions,
        *,
        label: str,
        progress: Progress = lambda _: None,
        say: Say | None = None,
        warn: Say | None = None,
    ) -> tuple[Plan, Outcome]:
        """Return the plan of a graph, kept or built now.

        A plan that another process or thread is building is waited for. A folder that cannot be written never makes
        this fail: the plan is built, returned and not kept, and the reason is said, for a read-only folder once.

        Args:
            backend: builds it; one without plans is asked every time, and nothing is kept.
            graph: the serialized graph, weights and INT8 ranges inside.
            options: how it is built.
            label: what to call the graph in messages and listings, such as `segment 2`.
            progress: as in `DeviceBackend.build`; called with 0 while waiting.
            say: takes a line before something takes long; None: the logger `eengines` does, at INFO.
            warn: takes a line when a plan that was there is not taken (stale, damaged or of another maker), or one is
                not kept; None: the logger `eengines` does, at WARNING.

        Raises:
            EngineError: the backend refuses the graph.
        """
        if not backend.has_plans:
            plan = backend.build(graph, options, progress)
            return plan, Outcome(status="built", reason=f"{label}: {backend.name} has no plans", not_kept="no plan")
        caller = _Caller(label=label, progress=progress, say=say or _log.info, warn=warn or _log.warning)
        origin = Origin.of(backend, graph, options)
        found = self._look_up(origin.key, caller)
        if isinstance(found, Plan):
            return found, Outcome(status="hit", reason=f"{label}: the plan was in the cache")
        return self._build(backend, graph, options, origin, caller)

    def info(self) -> CacheInfo:
        """List what is kept.

        Raises:
            UserError: the folder cannot be read.
        """
        return list_cache(self._folder)

    def _build(
        self, backend: DeviceBackend, graph: bytes, options: PlanOptions, origin: Origin, caller: _Caller
    ) -> tuple[Plan, Outcome]:
        """Build and keep a plan, unless somebody else does while the right to is waited for."""
        with ExitStack() as held:
            lock = self._lock(origin.key, caller)
            if lock:
                held.callback(lock.release)
            found = self._look_up(origin.key, caller)
            if isinstance(found, Plan):
                return found, Outcome(status="hit", reason=f"{caller.label}: the plan was built elsewhere meanwhile")
            if found and not found.foreign:
                self._folder.remove(origin.key)
            earlier = found.clause if found else self._earlier(origin, caller.label)
            reason = f"{caller.label}: {f'{earlier}: building again' if earlier else 'no plan in the cache: building'}"
            if found and found.foreign:
                reason += " (--trust-plans takes it)"
            self._warn_of_key(caller)
            (caller.warn if earlier else caller.say)(reason)
            plan = backend.build(graph, options, caller.progress)
            not_kept = self._keep(origin, plan, caller) if lock else "the cache cannot be written"
        return plan, Outcome(status="rebuilt" if earlier else "built", reason=reason, not_kept=not_kept)

    def _look_up(self, key: str, caller: _Caller) -> Plan | _Unusable | None:
        """Return a plan, which counts as a use, or why the one that is kept is not taken; None: none is."""
        try:
            plan, own = self._folder.read(key, self._key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except DamagedEntryError as error:
            return _Unusable(clause=f"the kept plan is damaged, {plain(str(error))}")
        except OSError as error:
            return _Unusable(clause=f"the kept plan cannot be read, {error}")
        if not own and not self._trust:
            known = "was not made by this user" if self._key else "may be anybody's, there is no key to tell"
            return _Unusable(clause=f"the kept plan {known}", foreign=True)
        try:
            self._folder.touch(key)
        except OSError as error:
            self._warn_once(error, caller)
        return plan

    def _lock(self, key: str, caller: _Caller) -> FileLock | None:
        """Take the right to build, waiting for it if need be; None: the folder cannot be written."""
        said = False
        while True:
            try:
                lock = self._folder.lock(key)
            except OSError as error:
                self._warn_once(error, caller)
                return None
            if lock:
                return lock
            if not said:
                caller.say(f"{caller.label}: its plan is being built elsewhere: waiting for it")
                said = True
            caller.progress(0.0)
            time.sleep(POLL_S)

    def _earlier(self, origin: Origin, label: str) -> str:
        """Say how the plan differs from one that was kept for the same label and engine; empty: there is none.

        Of several, the most alike is compared, and of these the most recently used.
        """
        nearest: list[str] = []
        try:
            files = self._folder.files()
        except OSError:  # it is said where the plan is kept
            return ""
        for file in files:
            try:
                header = self._folder.header(file.key)
            except (DamagedEntryError, OSError):  # a plan of another key: it is said when somebody wants it
                continue
            if header.label == label and header.origin.engine == origin.engine:
                differences = origin.differences(header.origin)
                if differences and (not nearest or len(differences) <= len(nearest)):
                    nearest = differences
        return nearest[0] if nearest else ""

    def _keep(self, origin: Origin, plan: Plan, caller: _Caller) -> str:
        """Keep a plan if possible, and return why not; empty: it is kept."""
        front = encode_front(caller.label, origin, plan, self._key)
        nbytes, most = len(front) + len(plan.content), self._folder.max_bytes
        if nbytes > most:
            not_kept = f"it has {nbytes} bytes, the cache at most {most}"
        else:
            try:
                self._folder.keep(origin.key, front, plan.content)
            except OSError as error:
                not_kept = f"it cannot be written: {error}"
            else:
                return ""
        caller.warn(f"{caller.label}: the plan is used but not kept: {not_kept}")
        return not_kept

    def _warn_once(self, error: OSError, caller: _Caller) -> None:
        if not self._warned:
            self._warned = True
            caller.warn(f"{self._folder.path}: the cache cannot be written: {error}. Plans are built and not kept")

    def _warn_of_key(self, caller: _Caller) -> None:
        if self._key is None and not self._warned_of_key:
            self._warned_of_key = True
            words = "there is no key of this user, and plans are kept without its mark: only --trust-plans takes them"
            caller.warn(f"{self._folder.path}: {words} ({self._no_key})")
