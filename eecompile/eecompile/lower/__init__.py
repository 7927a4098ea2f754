"""Turn exit policies into ONNX nodes at the end of a segment."""

from eecompile.lower.exit_score import ExitScore, add_exit_score
from eecompile.lower.graph_ops import IrGraphOps
from eecompile.lower.own_logits import own_logits_name, read_own_logits

__all__ = ["ExitScore", "IrGraphOps", "add_exit_score", "own_logits_name", "read_own_logits"]
