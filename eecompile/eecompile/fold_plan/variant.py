"""A network folded by one factor, as arithmetic sees it."""

from dataclasses import dataclass

from eecompile.fold_plan.layer_work import LayerWork

__all__ = ["Variant"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One fold factor; 1 is the network before folding.

    Attributes:
        fold: images a row.
        layers: at one row.
        weights: number of weights of these layers.
        flops: operations an image.
        more_flops: share by which they are more than before folding.
        intensity: operations a byte of the whole network.
        waiting_layers: how many layers are below the ridge.
        waiting_time: their share of the estimated time.
        seconds: estimated time of all images that are there at once; the last row is filled up.
        speed: estimated throughput, relative to before folding.
    """

    fold: int
    layers: tuple[LayerWork, ...]
    weights: int
    flops: float
    more_flops: float
    intensity: float
    waiting_layers: int
    waiting_time: float
    seconds: float
    speed: float
