"""Simplify a graph: constants folded, BatchNorm folded into convolutions, unused nodes and weights removed."""

import onnx_ir as ir

__all__ = ["optimise"]


def optimise(model: ir.Model) -> ir.Model:
    """Return a simplified model with unique names; onnxscript's passes do the work."""
    import onnxscript.optimizer
    from onnxscript.rewriter import rewrite
    from onnxscript.rewriter.rules import common

    onnxscript.optimizer.optimize_ir(model)
    rules = [
        common.fuse_batchnorm_into_conv_rule,
        common.fuse_batchnorm_into_conv_transpose_rule,
        common.fuse_batchnorm_into_gemm_rule,
    ]
    rewritten = rewrite(model, pattern_rewrite_rules=rules)
    onnxscript.optimizer.optimize_ir(rewritten)
    seen: set[str] = set()
    for index, node in enumerate(rewritten.graph):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{index}"
        seen.add(node.name)
    return rewritten
