"""A bundle as it will be after tuning: it can run before it is written."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from eecompile.tune.segment_entries import segment_entries
from eecompile.tune.tuned_configuration import TunedConfiguration
from eecompile.tune.variant import Shape, make_graphs
from eerun.bundle import Bundle, ConfigurationEntry, Manifest, OverlaidBundle
from eerun.bundle.manifest import FileEntry

__all__ = ["NewBundle", "new_bundle"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NewBundle:
    """What changes.

    Attributes:
        overlay: the bundle with its new files, not written.
        manifest: as it will be; files and version are seen to when it is written.
        files: what is added or replaced, by path.
        exits_change: whether exits go.
        warnings: what goes with them.
    """

    overlay: OverlaidBundle
    manifest: Manifest
    files: Mapping[str, object]
    exits_change: bool
    warnings: tuple[str, ...]


def new_bundle(bundle: Bundle, shape: Shape, tuned: Sequence[TunedConfiguration], *, exits_change: bool) -> NewBundle:
    """Return the bundle with tuned configurations, in front of the others on the CPU.

    Configurations of cards and graphs for other devices stay with the policy that they have; where exits go, they go.

    Args:
        bundle: as it is.
        shape: the exits that stay.
        tuned: configurations on the CPU as they will be, in their order.
        exits_change: whether exits go.
    """
    manifest = bundle.manifest
    files: dict[str, object] = {}
    for each in tuned:
        files |= each.files
    kept = [] if exits_change else [entry for entry in manifest.configurations if entry not in _tuned(manifest, tuned)]
    cards = [entry for entry in kept if entry.device is not None]
    others = [entry for entry in kept if entry.device is None]
    new = replace(manifest, configurations=(*cards, *(each.entry for each in tuned), *others))
    if exits_change:
        float32 = make_graphs(bundle, _canonical(manifest), _heads(manifest), shape, tuned[0].graphs.policy)
        names = tuple(manifest.exits[index] for index in (*shape.kept, len(manifest.exits) - 1))
        segments = segment_entries(manifest, shape.kept, float32)
        new = replace(new, exits=names, segments=segments, whole_output=float32.names[-1].logits, targets=())
    encoded = {name: _encoded(content) for name, content in files.items()}
    listed = {
        name: FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)) for name, data in encoded.items()
    }
    overlay = OverlaidBundle(
        path=bundle.path, manifest=replace(new, files={**manifest.files, **listed}), replaced=encoded
    )
    return NewBundle(
        overlay=overlay,
        manifest=new,
        files=files,
        exits_change=exits_change,
        warnings=_warnings(manifest, tuned, exits_change=exits_change),
    )


def _tuned(manifest: Manifest, tuned: Sequence[TunedConfiguration]) -> list[ConfigurationEntry]:
    names = {each.entry.name for each in tuned}
    return [entry for entry in manifest.configurations if entry.name in names]


def _canonical(manifest: Manifest) -> list[str]:
    return [segment.file for segment in manifest.segments]


def _heads(manifest: Manifest) -> tuple[str, ...]:
    """The heads of the configuration that has the float32 graphs of the manifest."""
    files = tuple(_canonical(manifest))
    return next((entry.heads for entry in manifest.configurations if entry.segments == files), ())


def _encoded(content: object) -> bytes:
    return content if isinstance(content, bytes) else msgspec.json.encode(content)


def _warnings(manifest: Manifest, tuned: Sequence[TunedConfiguration], *, exits_change: bool) -> tuple[str, ...]:
    """What keeps its policy, and what goes."""
    names = {each.entry.name for each in tuned}
    left = [entry.name for entry in manifest.configurations if entry.name not in names]
    left += [f"target {entry.target} {entry.precision}" for entry in manifest.targets]
    if not left:
        return ()
    listed = ", ".join(left)
    if exits_change:
        return (f"{listed}: gone, they have the exits that were dropped; build again with --exits and --target",)
    return (f"{listed}: left with the policy that it has",)
