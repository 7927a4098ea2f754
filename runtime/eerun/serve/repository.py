"""The models that a server serves, by name, and their change to new bundles."""

import logging
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from eengines.errors import BundleError, ClosedError, EEError
from eerun.model import Model
from eerun.serve.body_budget import BodyBudget
from eerun.serve.counts import Counts
from eerun.serve.ended import Ended, with_ended
from eerun.serve.errors import UnknownModelError
from eerun.serve.load_thread import LoadThread
from eerun.serve.oip.largest_body import largest_body
from eerun.serve.open_model import bundle_sha256, open_model
from eerun.serve.settings import ServeSettings

__all__ = ["ReloadState", "Repository", "Served"]

_log = logging.getLogger("eerun.serve")


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A model in service.

    Attributes:
        name: by which clients ask for it.
        version: `1` for the first bundle, counted up with each that takes its place.
        model: the model.
        loaded_at_utc: when it was loaded, ISO 8601.
        bundle_sha256: digest of its manifest.
        path: the bundle's folder.
        most_bytes: of the largest body of a request that it takes, also after it is unpacked.
    """

    name: str
    version: str
    model: Model
    loaded_at_utc: str
    bundle_sha256: str
    path: Path
    most_bytes: int


@dataclass(frozen=True, kw_only=True)
class ReloadState:
    """How often a model was replaced.

    Attributes:
        reloads: bundles that took the place of another.
        reload_failures: bundles that did not, because something is wrong with them.
        last_reload_error: why the last one did not; None: it did, or there was none.
    """

    reloads: int = 0
    reload_failures: int = 0
    last_reload_error: str | None = None


@dataclass(kw_only=True, eq=False)
class _Place:
    """What is known of one name.

    `lock` is held while a bundle is opened; those of `leaving` answer what they have accepted.
    """

    served: Served
    leaving: tuple[Served, ...] = ()
    ended: tuple[Ended, ...] = ()
    state: ReloadState = ReloadState()
    lock: threading.Lock = field(default_factory=threading.Lock)


class Repository:
    """Opens every bundle. Safe to use from any thread.

    Args:
        settings: names and folders of the bundles, and how they are opened.

    Raises:
        EEError: a bundle cannot be served; none is open then.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.bodies = BodyBudget(settings.max_held_bytes)
        self.draining = False
        self.loads = LoadThread(self.reload)
        self._places: dict[str, _Place] = {}
        self._swapping = threading.Lock()
        try:
            for name, path in settings.bundles:
                self._places[name] = _Place(served=_open(name, path, "1", settings, bundle_sha256(path)))
        except BaseException:
            self.close(drain=False)
            raise

    def names(self) -> tuple[str, ...]:
        """Return the names of the models, in the order of the settings."""
        return tuple(self._places)

    def get(self, name: str, version: str | None = None) -> Served:
        """Return the model of a name.

        Raises:
            UnknownModelError: no such model, or not in that version.
        """
        place = self._places.get(name)
        if place is None:
            problem = f"no model {name[:64]!r}, there is {', '.join(self._places)}"
            raise UnknownModelError("model", problem, "Ask for one of those")
        served = place.served
        if version is not None and version != served.version:
            problem = f"no version {version[:64]!r}, there is {served.version}"
            raise UnknownModelError(f"model {name!r}", problem, "Ask for that, or for none")
        return served

    def reload_state(self, name: str) -> ReloadState:
        """Return how often a model was replaced.

        Raises:
            UnknownModelError: no such model.
        """
        self.get(name)
        return self._places[name].state

    def ended(self, name: str) -> tuple[Ended, ...]:
        """Return what versions that were replaced have counted, also one that still answers what it has accepted.

        Raises:
            UnknownModelError: no such model.
        """
        self.get(name)
        place = self._places[name]
        leaving = place.leaving  # before `ended`: it is there until it is in the other
        ended = place.ended
        known = {each.version for each in ended}
        return (*ended, *(_ended(each) for each in leaving if each.version not in known))

    def ready(self) -> bool:
        """Whether every model answers, and the server is not being stopped."""
        return all(self.answers(place.served) for place in self._places.values())

    def answers(self, served: Served) -> bool:
        """Whether a model answers, and the server is not being stopped."""
        return served.model.healthy and not self.draining

    def reload(self, name: str) -> bool:
        """Put the bundle that now lies in a model's folder into its place; return whether there is a new one.

        The old model serves until the new one has answered a sample, and then answers what it has accepted.

        Raises:
            UnknownModelError: no such model.
            ClosedError: the models are being closed.
            EEError: something is wrong with the bundle; the old one goes on.
        """
        self.get(name)
        place = self._places[name]
        with place.lock:
            old = place.served
            try:
                served = _replacement(old, self.settings)
            except EEError as error:
                failures = place.state.reload_failures + 1
                place.state = replace(place.state, reload_failures=failures, last_reload_error=str(error))
                raise
            if served is None:
                place.state = replace(place.state, last_reload_error=None)
                return False
            self._swap(place, served)
            _log.info("%s: version %s of model %r serves", served.path, served.version, name)
        old.model.close()
        with self._swapping:
            place.ended = with_ended(place.ended, _ended(old))
            place.leaving = tuple(each for each in place.leaving if each is not old)
        return True

    def close(self, *, drain: bool = True) -> None:
        """Close every model, also those that others have taken the place of; see `Model.close`."""
        self.loads.close()
        with self._swapping:
            self.draining = True
            models = [each.model for place in self._places.values() for each in (place.served, *place.leaving)]
        for model in models:
            model.close(drain=drain)

    def _swap(self, place: _Place, served: Served) -> None:
        """Let a model serve in the place of the one that does."""
        with self._swapping:
            stopping = self.draining
            if not stopping:
                place.leaving = (*place.leaving, place.served)
                place.served = served
                place.state = replace(place.state, reloads=place.state.reloads + 1, last_reload_error=None)
        if stopping:
            served.model.close()
            raise ClosedError(f"model {served.name!r}", "the server is being stopped", "Ask another server")


def _open(name: str, path: Path, version: str, settings: ServeSettings, digest: str) -> Served:
    """Open a bundle that was checked and has this digest."""
    model = open_model(path, settings)
    largest = largest_body(model.manifest.inputs, settings.scheduling.max_queue)
    served = Served(
        name=name,
        version=version,
        model=model,
        loaded_at_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        bundle_sha256=digest,
        path=path,
        most_bytes=min(settings.max_request_bytes, largest),
    )
    try:
        same = bundle_sha256(path) == digest
    except EEError:
        model.close()
        raise
    if not same:
        model.close()
        raise BundleError(str(path), "another bundle was put there while it was opened", "Load it again")
    return served


def _ended(served: Served) -> Ended:
    return Ended(version=served.version, seen=served.model.statistics(), watched=served.model.metrics)


def _replacement(old: Served, settings: ServeSettings) -> Served | None:
    """The bundle that lies in the folder now; None: it is the one that is served, and whole."""
    digest = bundle_sha256(old.path)
    if digest == old.bundle_sha256:
        return None
    return _open(old.name, old.path, str(int(old.version) + 1), settings, digest)
