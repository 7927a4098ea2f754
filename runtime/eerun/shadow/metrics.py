"""What a watched model has seen so far."""

from dataclasses import dataclass

__all__ = ["Metrics"]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """A snapshot. Calls with exits off are not in it.

    Attributes:
        exits: names of the exits, shallow to deep.
        samples: how many were answered.
        left: how many of them at each exit.
        shadowed: how many were watched.
        disagreements: how many of those got another answer than the final exit's; of maps the sum of the shares of
            pixels.
        step: which thresholds are used: 0 as loaded, n the nth fallback, `last_step` none: exits are off.
        last_step: see `step`.
        alarms: how many there were; each is one step.
        watched: how many observations there were in this step: watched samples, or of a folded network groups.
        estimate: their mean disagreement; None: there is none, or exits are off.
        low: least disagreement that they leave possible at `confidence`, at every time together.
        high: the greatest.
        limit: disagreement that this step is tested against; None: exits are off.
        confidence: 1 - δ.
        log_martingale: natural logarithm of the test martingale of this step; the alarm comes at ln(1/δ).
    """

    exits: tuple[str, ...]
    samples: int
    left: tuple[int, ...]
    shadowed: int
    disagreements: float
    step: int
    last_step: int
    alarms: int
    watched: int
    estimate: float | None
    low: float
    high: float
    limit: float | None
    confidence: float
    log_martingale: float

    def to_prometheus(self) -> str:
        """Return the same in Prometheus' text format."""
        lines = []
        for name, kind, words, values in self._families():
            shown = [(labels, value) for labels, value in values if value is not None]
            if shown:
                lines += [f"# HELP eerun_{name} {words}", f"# TYPE eerun_{name} {kind}"]
                lines += [f"eerun_{name}{labels} {value:.10g}" for labels, value in shown]
        return "\n".join(lines) + "\n"

    def _families(self) -> list[tuple[str, str, str, list[tuple[str, float | None]]]]:
        """Name, type, help, and labels and values of each family of metrics."""
        by_exit = [(f'{{exit="{_escaped(name)}"}}', float(n)) for name, n in zip(self.exits, self.left, strict=True)]
        possible = [('{end="low"}', self.low), ('{end="high"}', self.high)] if self.limit is not None else []
        return [
            ("samples_total", "counter", "Samples answered.", [("", self.samples)]),
            ("exit_samples_total", "counter", "Samples answered at each exit.", [*by_exit]),
            ("shadow_samples_total", "counter", "Samples watched.", [("", self.shadowed)]),
            (
                "shadow_disagreements_total",
                "counter",
                "Watched samples that the final exit answers otherwise.",
                [("", self.disagreements)],
            ),
            ("shadow_alarms_total", "counter", "Alarms, each one step down.", [("", self.alarms)]),
            ("shadow_step", "gauge", "Thresholds in use: 0 as loaded, then fallbacks.", [("", self.step)]),
            ("shadow_last_step", "gauge", "The step at which exits are off.", [("", self.last_step)]),
            ("shadow_disagreement", "gauge", "Mean disagreement in this step.", [("", self.estimate)]),
            ("shadow_disagreement_interval", "gauge", "Anytime-valid interval of it.", [*possible]),
            ("shadow_disagreement_limit", "gauge", "What it is tested against.", [("", self.limit)]),
            ("shadow_log_martingale", "gauge", "Logarithm of the test martingale.", [("", self.log_martingale)]),
        ]


def _escaped(text: str) -> str:
    """A label's value, as the format wants it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
