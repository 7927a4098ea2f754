"""Open a bundle and read its files; nothing is used before its digest was checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from eengines.engine_cache import CheckedFolder, check_folder
from eengines.errors import BundleError
from eerun.bundle.check_fold import check_fold
from eerun.bundle.check_lengths import check_lengths
from eerun.bundle.manifest import ENGINES_FOLDER, MANIFEST_NAME, SCHEMA, ConfigurationEntry, Manifest, PolicyFile
from eerun.costs import CostTable
from eerun.folding.easiness import Easiness

__all__ = ["Bundle", "open_bundle"]

MAX_MANIFEST_BYTES = 16 * 2**20
REBUILD = "Build the bundle again"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle: its manifest was checked, its files are checked when they are read."""

    path: Path
    manifest: Manifest

    def read(self, name: str) -> bytes:
        """Return the bytes of a listed file, after checking size and digest.

        Raises:
            BundleError: the file is not listed, missing, a link, or not what the manifest says.
        """
        entry = self.manifest.files.get(name)
        where = f"{self.path}/{name}"
        if entry is None:
            raise BundleError(where, "the manifest does not list this file", REBUILD)
        file = _inside(self.path, name)
        if file.is_symlink() or not file.is_file():
            raise BundleError(where, "the file is missing or is a link", REBUILD)
        size = file.stat().st_size
        if size != entry.bytes:
            raise BundleError(where, f"got {size} bytes, the manifest says {entry.bytes}", REBUILD)
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != entry.sha256:
            raise BundleError(where, f"got sha256 {digest[:12]}…, the manifest says {entry.sha256[:12]}…", REBUILD)
        return content

    def read_json(self, name: str, kind: type[T]) -> T:
        """Return a listed JSON file as an instance of `kind`."""
        return _decode(self.read(name), kind, f"{self.path}/{name}")

    def policy(self, configuration: ConfigurationEntry) -> PolicyFile:
        """The policy of a configuration and its thresholds, one for each exit but the last."""
        return self.read_policy(configuration.policy)

    def read_policy(self, name: str) -> PolicyFile:
        """The same from a policy file."""
        file = self.read_json(name, PolicyFile)
        for thresholds in (file.thresholds, *(fallback.thresholds for fallback in file.fallbacks)):
            if len(thresholds) == len(self.manifest.segments) - 1:
                continue
            raise BundleError(
                f"{self.path}/{name}",
                f"got {len(thresholds)} thresholds for {len(self.manifest.segments)} exits",
                REBUILD,
            )
        return file

    def easiness(self) -> Easiness | None:
        """What predicts how easy an image is; None: the bundle has nothing that does."""
        name = self.manifest.easiness
        return None if name is None else self.read_json(name, Easiness)

    def costs(self, configuration: ConfigurationEntry) -> CostTable:
        """The measured costs of the segments; of a network with a sequence axis, expected over all lengths."""
        return self._costs(configuration.costs, heads=len(configuration.heads))

    def length_costs(self, configuration: ConfigurationEntry) -> dict[int, CostTable]:
        """The measured costs at each sequence length, ascending; none without a sequence axis."""
        lengths = (entry.length for entry in self.manifest.lengths)
        names, heads = configuration.length_costs, len(configuration.heads)
        tables = {length: self._costs(name, heads=heads) for length, name in zip(lengths, names, strict=True)}
        if len({table.buckets for table in tables.values()}) > 1:
            raise BundleError(f"{self.path}, {configuration.name}", "its lengths have different batch sizes", REBUILD)
        return tables

    def _costs(self, name: str, *, heads: int) -> CostTable:
        """A cost table of the segments, and of so many heads that are graphs of their own."""
        table = self.read_json(name, CostTable)
        if table.segments != len(self.manifest.segments):
            raise BundleError(
                f"{self.path}/{name}",
                f"got costs of {table.segments} segments for {len(self.manifest.segments)}",
                REBUILD,
            )
        if len(table.head_ms) != heads:
            problem = f"got costs of {len(table.head_ms)} heads, expected {heads}: one for each graph of a head"
            raise BundleError(f"{self.path}/{name}", problem, REBUILD)
        return table

    def verify_files(self) -> CheckedFolder:
        """Check every listed file, and that no other file lies in the bundle but kept plans.

        Returns:
            How many plans are whole and how many damaged: those are built again, and the bundle is what it should be.

        Raises:
            BundleError: a file is not what the manifest says, or one is there that neither it nor a cache of plans has.
        """
        for name in self.manifest.files:
            self.read(name)
        plans = check_folder(self.path / ENGINES_FOLDER)
        strange = {(PurePosixPath(ENGINES_FOLDER) / name).as_posix() for name in plans.strange}
        present = {
            p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_symlink() or not p.is_dir()
        }
        others = {name for name in present if PurePosixPath(name).parts[0] != ENGINES_FOLDER}
        extra = sorted(strange | others - set(self.manifest.files) - {MANIFEST_NAME})
        if extra:
            raise BundleError(str(self.path), f"files that the manifest does not list: {', '.join(extra)}", REBUILD)
        return plans


def open_bundle(path: Path) -> Bundle:
    """Read and check the manifest of the bundle in a folder.

    Raises:
        BundleError: not a bundle, an unknown version, or a manifest that is damaged or names files outside.
    """
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise BundleError(
            str(path),
            f"no {MANIFEST_NAME} in it, so it is not a bundle",
            "Give the folder that `eecompile build` wrote",
        )
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(str(file), f"larger than {MAX_MANIFEST_BYTES} bytes", REBUILD)
    content = file.read_bytes()
    _check_schema(content, str(file))
    manifest = _decode(content, Manifest, str(file))
    for name in manifest.files:
        _inside(path, name)
    _check_shape(manifest, str(file))
    return Bundle(path=path, manifest=manifest)


def _check_schema(content: bytes, where: str) -> None:
    """Refuse a format or a major version that is not ours; a newer minor version may have more fields."""
    schema = str(_decode(content, dict[str, object], where).get("schema"))
    known, major = SCHEMA.split("/")[0], SCHEMA.split("/")[1].split(".")[0]
    name, _, version = schema.partition("/")
    if name != known or version.split(".")[0] != major:
        raise BundleError(
            where, f"got schema {schema!r}, expected {known}/{major}.x", "Use the eerun that fits, or build again"
        )


def _check_shape(manifest: Manifest, where: str) -> None:
    """Check what the types do not say: one segment an exit, at least one of each, and listed files."""
    if not manifest.segments or len(manifest.segments) != len(manifest.exits) or not manifest.inputs:
        raise BundleError(where, f"got {len(manifest.segments)} segments for {len(manifest.exits)} exits", REBUILD)
    _check_configurations(manifest, where)
    check_lengths(manifest, where)
    check_fold(manifest, where)
    named = [segment.file for segment in manifest.segments]
    for way in manifest.configurations:
        named += [*way.segments, *way.heads, way.whole, way.policy, way.costs, *way.length_costs]
    for graphs in manifest.targets:
        named += [*graphs.segments, graphs.whole, graphs.policy]
    named += [
        name for name in (manifest.whole, manifest.report, manifest.ranges, manifest.easiness) if name is not None
    ]
    for name in named:
        if name not in manifest.files:
            raise BundleError(where, f"{name!r} is used but not listed under files", REBUILD)


def _check_configurations(manifest: Manifest, where: str) -> None:
    """There is a way to run the bundle in float32 on the CPU, no two have one name, and each has all segments."""
    names = [way.name for way in manifest.configurations]
    if len(set(names)) != len(names) or all(
        way.precision != "float32" or way.device is not None for way in manifest.configurations
    ):
        raise BundleError(
            where, f"got configurations {names}, expected different ones, one of them float32 on the CPU", REBUILD
        )
    for way in manifest.configurations:
        if len(way.segments) != len(manifest.segments):
            raise BundleError(
                where,
                f"configuration {way.name} has {len(way.segments)} graphs for {len(manifest.segments)} segments",
                REBUILD,
            )
        if len(way.heads) not in (0, len(manifest.segments) - 1) or (way.heads and way.device is not None):
            problem = f"configuration {way.name} has {len(way.heads)} graphs of heads"
            expected = "expected one for each early exit, on the CPU, or none"
            raise BundleError(where, f"{problem}, {expected}", REBUILD)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in the bundle; refuse one that climbs out."""
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise BundleError(f"{folder}/{MANIFEST_NAME}", f"the path {name!r} leads out of the bundle", REBUILD)
    for parent in list(pure.parents)[:-1]:
        if (folder / parent).is_symlink():
            raise BundleError(f"{folder}/{MANIFEST_NAME}", f"the path {name!r} goes through a link", REBUILD)
    return folder / pure


def _decode(content: bytes, kind: type[T], where: str) -> T:
    """Decode JSON into a type."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(where, str(error), REBUILD) from error
