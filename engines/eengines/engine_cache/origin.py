"""What a plan depends on: the key of the cache, and the words for how two keys differ."""

import hashlib
from dataclasses import fields

import msgspec

from eengines.device_engine import DeviceBackend, PlanOptions

__all__ = ["FORMAT", "Origin", "plain"]

LONGEST = 200

FORMAT = 2
"""Version of the files. It is part of the key: files of other versions are never looked up, and leave by the LRU."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a plan depends on, as text.

    Attributes:
        engine: name of the backend.
        identity: what the backend says of library, card and driver, in its order.
        options: every field of `PlanOptions`.
        graph: SHA-256 of the graph. Weights and INT8 ranges are inside the graph.
        format: version of the file that keeps the plan.
    """

    engine: str
    identity: dict[str, str]
    options: dict[str, str]
    graph: str
    format: int = FORMAT

    @classmethod
    def of(cls, backend: DeviceBackend, graph: bytes, options: PlanOptions) -> "Origin":
        """Describe the plan that `backend.build(graph, options)` would make now."""
        return cls(
            engine=backend.name,
            identity=dict(backend.identity(options)),
            options={field.name: _text(getattr(options, field.name)) for field in fields(options)},
            graph=hashlib.sha256(graph).hexdigest(),
        )

    @property
    def key(self) -> str:
        """64 hexadecimal digits; equal only if all parts are."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def differences(self, kept: "Origin") -> list[str]:
        """Say in what a kept plan's origin differs from this one, a clause for each part: old, then new."""
        said = [f"built with {_change(name, old, new)}" for name, old, new in _changed(kept.identity, self.identity)]
        said += [
            f"built with {_change(name.replace('_', ' '), old, new)}"
            for name, old, new in _changed(kept.options, self.options)
        ]
        if kept.graph != self.graph:
            old = plain(kept.graph[:8])
            said.append(f"built from graph {old}, here is {self.graph[:8]} (other nodes, weights or INT8 ranges)")
        return said


def _text(value: object) -> str:
    return "not set" if value is None else str(value)


def _changed(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Name, old and new value of what differs; None: not there."""
    names = dict.fromkeys((*new, *old))
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _change(name: str, old: str | None, new: str | None) -> str:
    return f"{plain(name)} {'unknown' if old is None else plain(old)}, here is {'unknown' if new is None else new}"


def plain(text: str) -> str:
    """A text of a file that anybody may have made, fit for a terminal: no control characters, and not long."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return "".join(sign if sign.isprintable() else "?" for sign in short)
