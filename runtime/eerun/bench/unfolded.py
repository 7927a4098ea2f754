"""The bundle of the same network unfolded, which races against the folded one in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eengines.errors import UserError
from eerun.bench.contestants import ChainContestants
from eerun.bench.settings import BenchSettings
from eerun.bench.split_to_bench import SplitToBench
from eerun.bundle import MANIFEST_NAME, Bundle, Manifest, open_bundle
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
    """

    bundle: Bundle
    chain: ChainContestants

    def warnings(self, split: SplitToBench) -> tuple[str, ...]:
        """Why its accuracy may be wrong on these samples."""
        built_on = self.bundle.manifest.splits.get("test")
        if built_on is not None and built_on.sha256 == split.sha256:
            return ()
        return (
            f"The unfolded bundle {self.bundle.path.name} was not built with this test split: its thresholds may have "
            "seen these samples, and its accuracy may be too good here.",
        )


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
        UserError: it has other inputs or classes, is itself folded, or the measured bundle is not; or it has not the
            engine or precision that the user asks for.
        BundleError: it is damaged.
    """
    bundle = own.way.bundle
    if bundle.manifest.fold is None:
        if settings.unfolded is not None:
            raise UserError(FLAG, f"{bundle.path.name} is not folded, so there is nothing to compare", "Leave it out")
        return None
    path = settings.unfolded or _beside(bundle)
    if path is None or settings.no_unfolded:
        return None
    other = open_bundle(path)
    _check_same(bundle.manifest, other.manifest, f"{FLAG} {path}")
    way = choose_configuration(other, engine=settings.engine, precision=settings.precision, device=device)
    chain = ChainContestants(way, threads=threads)
    if chain.executor.output_shape != own.executor.output_shape:
        got, expected = chain.executor.output_shape[0], own.executor.output_shape[0]
        raise UserError(f"{FLAG} {path}", f"it has {got} classes, the folded bundle has {expected}", REMEDY)
    return Unfolded(bundle=other, chain=chain)


def unfolded_names(ways: Mapping[str, Configuration]) -> dict[str, Configuration]:
    """Return the same configurations under names that those of the folded bundle do not have."""
    return {f"{UNFOLDED}-{name}": way for name, way in ways.items()}


def _beside(bundle: Bundle) -> Path | None:
    """`<stem>-unfolded.ee` beside the bundle, if it is there."""
    place = bundle.path.resolve()
    path = place.with_name(f"{place.stem}-{UNFOLDED}{place.suffix}")
    return path if (path / MANIFEST_NAME).is_file() else None


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
