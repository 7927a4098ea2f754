"""Give a chain another policy."""

from collections.abc import Sequence

from eecompile.build.lower_graphs import serialize
from eecompile.lower import add_exit_score, read_own_logits
from eecompile.regraph.exit_names import ExitNames
from eecompile.regraph.graph_bytes import own_output
from eecompile.regraph.strip import strip_models
from eengines.errors import BuildError
from eerun.policies import ExitPolicy

__all__ = ["rescore"]


def rescore(segments: Sequence[bytes], policy: ExitPolicy, names: Sequence[ExitNames]) -> tuple[bytes, ...]:
    """Return the segments with the score and state of `policy` in place of what they have, if they have any.

    They answer as if they had been built with it: nodes and weights of the network are not touched.

    Args:
        segments: all segments of a chain, shallow to deep, heads inside; of any precision.
        policy: the new one.
        names: of the exit at the end of each segment; `score` must be `score_<k>` for segment `k`.

    Raises:
        BuildError: a segment does not have these logits, its opset is older than 18, or the policy cannot score them.
    """
    models = strip_models(segments, names)
    for index, (model, each) in enumerate(zip(models, names, strict=True)):
        read_later = {value.name for later in models[index + 1 :] for value in later.graph.inputs}
        if policy.answers_with is not None:
            read_own_logits(model.graph, [before.logits for before in names[:index]])
        logits, last = own_output(model.graph, each.logits), index == len(models) - 1
        added = add_exit_score(model.graph, logits=logits, policy=policy, exit_index=index, last=last)
        if added.own_logits is not None and each.logits in read_later:
            model.graph.outputs.append(logits)
        if added.score != each.score:
            raise BuildError(
                f"segment {index}",
                f"its score is called '{added.score}', the names say '{each.score}'",
                "Take the names that `keep_exits` returns",
            )
    return tuple(serialize(model, index) for index, model in enumerate(models))
