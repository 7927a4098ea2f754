"""What is inside a bundle or a model, as text."""

from pathlib import Path

from eecompile.inspect.bundle import bundle_text
from eecompile.inspect.checkpoint import checkpoint_text
from eecompile.inspect.graph import graph_text
from eengines.errors import UserError
from eerun.bundle import MANIFEST_NAME, open_bundle

__all__ = ["inspect_text"]


def inspect_text(path: Path, *, nodes: bool, ranges: bool) -> str:
    """Describe a bundle, a checkpoint or an ONNX graph.

    Args:
        path: which one.
        nodes: list all nodes; without, an ONNX graph's are listed if they are few.
        ranges: list all INT8 ranges of a bundle; without, the extreme ones.

    Raises:
        UserError: the path does not exist or is of another kind, or has no nodes or ranges to list.
        BundleError: the bundle is damaged.
        IngestError: the checkpoint or graph is damaged.
    """
    if (path / MANIFEST_NAME).is_file():
        return bundle_text(open_bundle(path), nodes=nodes, ranges=ranges)
    if ranges:
        raise UserError("--ranges", f"{path} is not a bundle: ranges are made by a build", "Give a bundle")
    if path.suffix == ".onnx" and path.is_file():
        return graph_text(path, nodes=nodes)
    if path.suffix in (".pt", ".pth") and path.is_file():
        if nodes:
            raise UserError("--nodes", "a checkpoint holds weights, no graph", "Build it, and inspect the bundle")
        return checkpoint_text(path)
    raise UserError(str(path), "neither a bundle nor a .pt or .onnx file", "Give one of these")
