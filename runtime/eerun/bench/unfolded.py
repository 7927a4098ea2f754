"""The bundle of the same network unfolded, which races against the folded one in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eengines.errors import UserError
from eerun.bench.contestants import ChainContestants
from eerun.bench.settings import BenchSettings
from eerun.bench.split_to_bench import SplitToBench
from eerun.bundle import MANIFEST_NAME, Bundle, FoldEntry, Manifest, open_bundle, unfolded_place
from eerun.choose_configuration import choose_configuration
from eerun.configuration import Configuration
from eerun.device_settings import DeviceSettings

__all__ = ["UNFOLDED", "Unfolded", "load_unfolded", "unfolded_names"]

UNFOLDED = "unfolded"
"""Name of the unfolded chain, and what the names of unfolded whole networks begin with."""

FLAG = "--unfolded"
REMEDY = "Give the bundle that was built from the same network with --fold 1, or --no-unfolded"


@dataclass(frozen=True, kw_only=True, eq=False)
class Unfolded:
    """The unfolded bundle of a run.

    Attributes:
        bundle: opened.
        chain: its chain with exits, in the fastest way to run it that fits the settings.
        foreign: why it is not that of the network that was folded; None: it is, or nobody knows.
    """

    bundle: Bundle
    chain: ChainContestants
    foreign: str | None

    def warnings(self, split: SplitToBench) -> tuple[str, ...]:
        """Why the comparison may be none, and why its accuracy may be wrong on these samples."""
        name, built_on, found = self.bundle.path.name, self.bundle.manifest.splits.get("test"), list[str]()
        if self.foreign is not None:
            found.append(f"The unfolded bundle {name} {self.foreign}: more than folding differs.")
        if built_on is None or built_on.sha256 != split.sha256:
            found.append(
                f"The unfolded bundle {name} was not built with this test split: its thresholds may have seen these "
                "samples, and its accuracy may be too good here."
            )
        return tuple(found)


def load_unfolded(
    own: ChainContestants, settings: BenchSettings, *, threads: int, device: DeviceSettings
) -> Unfolded | None:
    """Open the unfolded bundle that the user names, or the one beside the folded bundle; None: there is none.

    Args:
        own: the chain of the bundle that is measured.
        settings: what the user chose.
        threads: threads of every engine.
        device: which GPU, and how.

    Raises:
        UserError: it has other inputs or classes, is itself folded, or the measured bundle is not; it has not the
            engine or precision that the user asks for; or it was found beside, and is that of another network.
        BundleError: it is damaged.
    """
    bundle = own.way.bundle
    fold = bundle.manifest.fold
    if fold is None:
        if settings.unfolded is not None:
            raise UserError(FLAG, f"{bundle.path.name} is not folded, so there is nothing to compare", "Leave it out")
        return None
    path = settings.unfolded or _beside(bundle)
    if path is None or settings.no_unfolded:
        return None
    other = open_bundle(path)
    _check_same(bundle.manifest, other.manifest, f"{FLAG} {path}")
    foreign = _foreign(fold, other.manifest)
    if foreign is not None and settings.unfolded is None:
        raise UserError(str(path), foreign, f"Build {bundle.path.name} again, which builds both, or --no-unfolded")
    way = choose_configuration(other, engine=settings.engine, precision=settings.precision, device=device)
    chain = ChainContestants(way, threads=threads)
    if chain.executor.output_shape != own.executor.output_shape:
        got, expected = chain.executor.output_shape[0], own.executor.output_shape[0]
        raise UserError(f"{FLAG} {path}", f"it has {got} classes, the folded bundle has {expected}", REMEDY)
    return Unfolded(bundle=other, chain=chain, foreign=foreign)


def unfolded_names(ways: Mapping[str, Configuration]) -> dict[str, Configuration]:
    """Return the same configurations under names that those of the folded bundle do not have."""
    return {f"{UNFOLDED}-{name}": way for name, way in ways.items()}


def _beside(bundle: Bundle) -> Path | None:
    """`<stem>-unfolded.ee` beside the bundle, if it is there."""
    path = unfolded_place(bundle.path.resolve())
    return path if (path / MANIFEST_NAME).is_file() else None


def _foreign(fold: FoldEntry, other: Manifest) -> str | None:
    """Say that a bundle was built from another model than the one that was folded; None: it was not, or not known."""
    if fold.unfolded_sha256 is None or fold.unfolded_sha256 == other.source_sha256:
        return None
    return (
        f"was built from a model with sha256 {other.source_sha256[:12]}…, the one that was folded has "
        f"{fold.unfolded_sha256[:12]}…"
    )


def _check_same(folded: Manifest, other: Manifest, where: str) -> None:
    """Refuse a bundle that answers something else."""
    if other.fold is not None:
        raise UserError(where, f"it is itself folded, by {other.fold.factor}", REMEDY)
    for name, got, expected in (
        ("inputs", other.inputs, folded.inputs),
        ("classes", other.classes, folded.classes),
        ("task", other.task, folded.task),
    ):
        if got != expected:
            raise UserError(where, f"got {name} {got}, the folded bundle has {expected}", REMEDY)
