"""Fold a network: f images share one pass, as f times the input channels.

Source: Kosaian et al., Boosting the Throughput and Accelerator Utilization of Specialized CNN Inference Beyond
Increasing Batch Size, 2021 (FoldedCNNs). Torch is imported when `fold_network` or `FoldedNetwork` is asked for.
"""

from typing import TYPE_CHECKING, Any

from eecompile.fold.spec import FACTORS, WIDTHS, FoldSpec

if TYPE_CHECKING:
    from eecompile.fold.folded_network import FoldedNetwork
    from eecompile.fold.transform import fold_network

__all__ = ["FACTORS", "WIDTHS", "FoldSpec", "FoldedNetwork", "fold_network"]


def __getattr__(name: str) -> Any:
    if name == "fold_network":
        from eecompile.fold.transform import fold_network

        return fold_network
    if name == "FoldedNetwork":
        from eecompile.fold.folded_network import FoldedNetwork

        return FoldedNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
