"""The metrics of one scrape while they are written down."""

from collections.abc import Sequence
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.samples import Sample

from eerun.serve.metrics.families import FAMILIES, Family
from eerun.serve.metrics.text import number

__all__ = ["Sheet"]

UNBOUNDED = float("inf")


class Sheet:
    """One `Metric` for each family.

    Args:
        families: that can be written to.
    """

    def __init__(self, families: Sequence[Family] = FAMILIES) -> None:
        self._labels = {family.name: family.labels for family in families}
        self._metrics = {family.name: Metric(family.name, family.words, family.kind) for family in families}

    def metrics(self) -> list[Metric]:
        """Return what was written; families that nothing was written to are left out."""
        return [metric for metric in self._metrics.values() if metric.samples]

    def add(self, name: str, value: float, *labels: str) -> None:
        """Write one number of a family; `labels` in the order of its names."""
        self._metrics[name].samples.append(Sample(name, self._named(name, labels), float(value)))

    def add_each(self, name: str, values: Sequence[float], labels: Sequence[str], last: Sequence[str]) -> None:
        """Write one number for each value of the last label."""
        for value, label in zip(values, last, strict=True):
            self.add(name, value, *labels, label)

    def histogram(
        self, name: str, counts: Sequence[int], bounds: Sequence[float], labels: Sequence[str], *, total: float | None
    ) -> None:
        """Write a histogram.

        Args:
            name: of the family.
            counts: `[bounds + 1]`, how many are at most the bound and above the one before; the last above all.
            bounds: upper bounds, rising.
            labels: in the order of the family's names.
            total: sum of what was observed; None: it was not summed, and there is no `_sum`.
        """
        named = self._named(name, labels)
        samples = self._metrics[name].samples
        below = list(accumulate(counts))
        for bound, count in zip((*bounds, UNBOUNDED), below, strict=True):
            samples.append(Sample(f"{name}_bucket", {**named, "le": number(bound)}, float(count)))
        samples.append(Sample(f"{name}_count", named, float(below[-1])))
        if total is not None:
            samples.append(Sample(f"{name}_sum", named, float(total)))

    def _named(self, name: str, labels: Sequence[str]) -> dict[str, str]:
        return dict(zip(self._labels[name], labels, strict=True))
