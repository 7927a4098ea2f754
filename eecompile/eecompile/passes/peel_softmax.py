"""Give exits that end in a softmax their logits back: the policy computes the softmax itself, once.

1. An output made by `Softmax` or `LogSoftmax` over the classes is replaced by that node's input.
2. The answer does not change: both keep the order of the classes.
3. An exit whose logits are an exit already stays as it is.
"""

import onnx_ir as ir

__all__ = ["peel_softmax"]


def peel_softmax(model: ir.Model) -> tuple[int, ...]:
    """Change the graph's outputs in place; return the indices of the exits that were changed."""
    outputs, changed = model.graph.outputs, []
    for index, value in enumerate(list(outputs)):
        node = value.producer()
        if node is None or node.op_type not in ("Softmax", "LogSoftmax"):
            continue
        logits = node.inputs[0]
        over_classes = (1, 1 - len(value.shape or ()))
        if logits is None or node.attributes.get_int("axis", -1) not in over_classes or logits in list(outputs):
            continue
        logits.type, logits.shape = value.type, value.shape
        outputs[index] = logits
        changed.append(index)
    for node in [node for node in reversed(list(model.graph)) if node.op_type in ("Softmax", "LogSoftmax")]:
        if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
            model.graph.remove(node, safe=True)
    return tuple(changed)
