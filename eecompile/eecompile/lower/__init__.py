"""Turn exit policies into ONNX nodes at the end of a segment."""

from eecompile.lower.exit_score import ExitScore, add_exit_score
from eecompile.lower.graph_ops import IrGraphOps

__all__ = ["ExitScore", "IrGraphOps", "add_exit_score"]
