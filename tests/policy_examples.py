"""One policy of every kind, those with parameters with some that fit a network of so many exits and classes."""

from collections.abc import Callable, Mapping

from eerun.policies import (
    POLICIES,
    AccuracyBinsPolicy,
    EENetPolicy,
    ExitPolicy,
    GatiPolicy,
    GeometricEnsemblePolicy,
    PixelCountPolicy,
    PredictiveExitPolicy,
    policy_by_name,
)

__all__ = ["FITTED", "FOR_MAPS", "FOR_ROWS", "policy_example"]

FOR_ROWS = tuple(name for name, policy in POLICIES.items() if policy.for_rows)
FOR_MAPS = tuple(name for name, policy in POLICIES.items() if policy.for_maps)
"""Names of the policies for one answer a sample, and for one a pixel."""

FITTED: Mapping[str, Callable[[int, int], ExitPolicy]] = {
    "gati": lambda exits, classes: GatiPolicy(
        weights=tuple(tuple(0.3 / (1 + c + k) for c in range(min(classes, 4))) for k in range(exits - 1)),
        bias=tuple(0.4 - 0.1 * k for k in range(exits - 1)),
        ordered=True,
        top=4,
    ),
    "accuracy-bins": lambda exits, _: AccuracyBinsPolicy(
        edges=((0.3517, 0.6113, 0.8871),) * (exits - 1),
        accuracy=tuple((0.31 + 0.01 * k, 0.55, 0.52, 0.97) for k in range(exits - 1)),
    ),
    "geometric-ensemble": lambda exits, classes: GeometricEnsemblePolicy(
        classes=classes,
        weights=tuple(0.8 + 0.1 * k for k in range(exits - 1)),
        carried=tuple(0.3 * k for k in range(exits - 1)),
    ),
    "pixel-count": lambda exits, _: PixelCountPolicy(level=tuple(0.77 + 0.02 * k for k in range(exits - 1))),
    "eenet": lambda exits, classes: EENetPolicy(
        class_weights=tuple(tuple(0.1 * ((3 * c + k) % 4) - 0.15 for c in range(classes)) for k in range(exits)),
        feature_weights=tuple((0.75, 0.2, *(-0.3 + 0.4 * (j % 2) for j in range(k))) for k in range(exits)),
    ),
    "predictive-exit": lambda exits, classes: PredictiveExitPolicy(
        forecast="calibrated",
        start=min(1, exits - 1) if classes % 2 else 0,
        scales=tuple(0.83 - 0.07 * k for k in range(exits - 1)),
        edges=((0.3517, 0.7213),) * (exits - 1),
        next_exits=tuple(tuple(min(k + d, exits - 1) for d in (3, 2, 1)) for k in range(exits - 1)),
    ),
}
"""Name -> what makes a policy for a number of exits, the final one included, and of classes."""


def policy_example(name: str, *, exits: int = 3, classes: int = 7) -> ExitPolicy:
    """A policy of this name; the same for the same numbers."""
    assert name in POLICIES
    return FITTED[name](exits, classes) if name in FITTED else policy_by_name(name)
