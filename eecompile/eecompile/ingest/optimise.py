"""Makes a graph smaller without changing what it computes."""

import onnx_ir as ir
from onnx_ir.passes import common

__all__ = ["optimise"]


def optimise(model: ir.Model) -> None:
    """Fold constants and batch normalisation, drop what is unused, name every node. Deterministic; in place.

    Functions are inlined, constants become initialisers, and what the exporter noted about its source code is dropped.
    A batch normalisation that does not directly follow a convolution or a Gemm stays.
    """
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules.common import (
        fuse_batchnorm_into_conv_rule,
        fuse_batchnorm_into_conv_transpose_rule,
        fuse_batchnorm_into_gemm_rule,
    )

    common.RemoveInitializersFromInputsPass()(model)
    common.ClearMetadataAndDocStringPass()(model)
    optimizer.optimize_ir(model)
    rules = [
        fuse_batchnorm_into_conv_rule,
        fuse_batchnorm_into_conv_transpose_rule,
        fuse_batchnorm_into_gemm_rule,
    ]
    rewriter.RewriteRuleSet(rules).apply_to_model(model)
    optimizer.optimize_ir(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True)(model)
    common.RemoveUnusedNodesPass()(model)
    common.RemoveUnusedFunctionsPass()(model)  # type: ignore[no-untyped-call]
    common.RemoveUnusedOpsetsPass()(model)
    common.TopologicalSortPass()(model)
    common.ClearMetadataAndDocStringPass()(model)
    common.NameFixPass()(model)
    common.ShapeInferencePass()(model)
