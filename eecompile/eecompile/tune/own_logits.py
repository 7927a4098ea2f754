"""The graphs of a configuration with exits that answer with their logits."""

from dataclasses import replace

from eecompile.tune.variant import Shape, make_graphs
from eerun.bundle import OverlaidBundle
from eerun.configuration import Configuration
from eerun.policies import MaxProbabilityPolicy

__all__ = ["with_own_logits"]


def with_own_logits(way: Configuration) -> Configuration:
    """Return a configuration whose exits answer with their own logits; the same where they do.

    Early exits of some policies answer with their state, such as the ensemble of all exits so far, which no exit of
    another configuration need say alike. Nodes and weights of the network stay as they are.

    Raises:
        BundleError: a file is damaged.
        BuildError: the graphs cannot be changed.
    """
    if way.policy().make().answers_with is None:
        return way
    entry, early = way.entry, len(way.bundle.manifest.exits) - 1
    shape = Shape(kept=tuple(range(early)), heads_apart=bool(entry.heads))
    graphs = make_graphs(way.bundle, entry.segments, entry.heads, shape, MaxProbabilityPolicy())
    files = zip((*entry.segments, *entry.heads), (*graphs.segments, *graphs.heads), strict=True)
    bundle = OverlaidBundle(path=way.bundle.path, manifest=way.bundle.manifest, replaced=dict(files))
    return replace(way, bundle=bundle)
