"""What folding brings, by the figures of two builds: of the folded network, and of the network before folding."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eecompile.build.report import BuildReport

__all__ = ["FoldComparison", "compare_folding"]


@dataclass(frozen=True, kw_only=True)
class FoldComparison:
    """Accuracies on *test* and expected milliseconds an image; the two bundles were measured one after the other.

    Attributes:
        fold: images a pass.
        measure: what is right: `accuracy`, or without labels `agreement` with the own final exit in float32.
        unfolded_float32: the final exit in float32 of the network before folding; None without labels.
        unfolded_chain: its bundle with exits, in the configuration in which that is fastest on *test*.
        folded_chain: the folded bundle with exits, in the configuration that its build chose.
        folded_final: its final exit; None without labels.
        folded_ms: the folded bundle with exits.
        folded_whole_ms: the folded network without exit heads, in its fastest configuration.
        unfolded_ms: the other bundle with exits, in that configuration.
        unfolded_whole_ms: the network before folding without exit heads, in its fastest configuration.
    """

    fold: int
    measure: str
    unfolded_float32: float | None
    unfolded_chain: float
    folded_chain: float
    folded_final: float | None
    folded_ms: float
    folded_whole_ms: float
    unfolded_ms: float
    unfolded_whole_ms: float

    @property
    def speed_up(self) -> float:
        """The folded bundle with exits against the faster of the two ways to run the network before folding."""
        return min(self.unfolded_ms, self.unfolded_whole_ms) / self.folded_ms

    @property
    def drop(self) -> float | None:
        """Share of the images that the folded bundle loses against the unfolded network in float32; None: unknown."""
        return None if self.unfolded_float32 is None else self.unfolded_float32 - self.folded_chain


def compare_folding(folded: "BuildReport", unfolded: "BuildReport") -> FoldComparison | None:
    """Return the comparison of two builds; None: one of them had no data.

    Args:
        folded: of the folded network.
        unfolded: of the network before folding, on the same splits.
    """
    ours, others = folded.test, [trial.test for trial in unfolded.trials if trial.kept and trial.test is not None]
    if ours is None or not others:
        return None
    theirs = min(others, key=lambda split: split.expected_ms)
    labelled = ours.accuracy is not None and theirs.accuracy is not None
    return FoldComparison(
        fold=folded.fold,
        measure="accuracy" if labelled else "agreement",
        unfolded_float32=theirs.accuracy_float32,
        unfolded_chain=theirs.agreement if theirs.accuracy is None else theirs.accuracy,
        folded_chain=ours.agreement if ours.accuracy is None else ours.accuracy,
        folded_final=ours.accuracy_final,
        folded_ms=ours.expected_ms / folded.batch,
        folded_whole_ms=folded.whole_ms / folded.batch,
        unfolded_ms=theirs.expected_ms / unfolded.batch,
        unfolded_whole_ms=unfolded.whole_ms / unfolded.batch,
    )
