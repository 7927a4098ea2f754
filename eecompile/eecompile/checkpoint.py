"""The project's checkpoint: a plain `torch.save` dictionary that loads without running code.

format      "eecompile.checkpoint/1"
arch        name of an architecture in `eecompile.zoo`, or null: the user gives `--factory`
arch_kwargs keyword arguments of the architecture
state_dict  name -> tensor
exits       names of the exits, shallow to deep, in the order in which `forward` returns their logits
input       {name, shape, dtype, layout, scale, mean, std, range}, or a list of them; see `InputInfo`
task        "classification", or "segmentation": logits [batch, classes, height, width], one class a pixel
classes     names of the classes by label, or null
fold        fold factor: images that share one pass through the network (optional, 1); `arch` makes the network before
            folding, the weights are `body.*`
fold_widths rule for the widths of a folded network, "multiple-of-8" or "exact" (only where fold is more than 1)
meta        anything else (optional)
attached    heads on a trunk (optional), see `Attachment`; `arch` makes the trunk, weights are `trunk.*` and `heads.*`
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eecompile.attach.attachment import Attachment
from eecompile.attach.stored_attachment import attachment_from_plain, attachment_to_plain
from eecompile.fold.foldable import check_fold
from eecompile.fold.spec import FoldSpec
from eecompile.input_info import InputInfo
from eecompile.make_network import load_weights, make_network, network_words
from eecompile.torch_file import load_tensors_only
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EXIT_NAME", "FORMAT", "Checkpoint", "InputInfo", "build_module", "load_checkpoint", "save_checkpoint"]

FORMAT = "eecompile.checkpoint/1"
TASKS = ("classification", "segmentation")

_REQUIRED = ("format", "arch", "arch_kwargs", "state_dict", "exits", "input", "task", "classes")
_OPTIONAL = ("fold", "fold_widths", "meta", "attached")
EXIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""What an exit may be called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A trained network: weights, and how to make the module that takes them. The fields are those of the format.

    Of a folded network `inputs` and `classes` describe one image, too.

    Raises:
        IngestError: a field that does not fit.
    """

    arch: str | None
    arch_kwargs: Mapping[str, Any]
    state_dict: "Mapping[str, Tensor]"
    exits: tuple[str, ...]
    inputs: tuple[InputInfo, ...]
    task: str
    classes: tuple[str, ...] | None
    fold: int = 1
    meta: Mapping[str, Any] = field(default_factory=dict)
    attached: Attachment | None = None
    fold_widths: str | None = None

    def __post_init__(self) -> None:
        bad = [name for name in self.exits if not EXIT_NAME.fullmatch(name)]
        if not self.exits or bad or len(set(self.exits)) < len(self.exits):
            problem = f"are {list(self.exits)}, expected different names of letters, digits and '_.-'"
            raise IngestError("checkpoint: exits", problem, "Name every exit, shallow to deep")
        names = [info.name for info in self.inputs]
        if not names or len(set(names)) < len(names):
            raise IngestError(
                "checkpoint: input", f"has the names {names}, expected different ones", "Name every input"
            )
        if self.task not in TASKS:
            expected = " or ".join(f"'{task}'" for task in TASKS)
            raise IngestError(
                "checkpoint: task", f"is '{self.task}', expected {expected}", "Other tasks are not supported"
            )
        check_fold(self.fold, self.fold_widths, self.inputs, self.task)
        if self.attached is not None and self.exits != self.attached.exits:
            problem = f"are {', '.join(self.exits)}, the attached heads make {', '.join(self.attached.exits)}"
            raise IngestError("checkpoint: exits", problem, "Give the exits of the attachment")

    @property
    def fold_spec(self) -> FoldSpec | None:
        """How the network is folded; None: it is not."""
        return None if self.fold_widths is None else FoldSpec(self.fold, self.fold_widths)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; no code in the file can run.

    Raises:
        IngestError: not a torch file, a file that could run code, or not this format.
    """
    where = str(path)
    content = load_tensors_only(path)
    if not isinstance(content, dict) or "format" not in content:
        keys = ", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else type(content).__name__
        problem = f"is a torch file but not a checkpoint of this project: got {keys or 'nothing'}"
        raise IngestError(where, problem, "Write it with eecompile.checkpoint.save_checkpoint")
    if content["format"] != FORMAT:
        raise IngestError(where, f"has format {content['format']!r}, expected '{FORMAT}'", "Update eecompile")
    missing = [key for key in _REQUIRED if key not in content]
    if missing:
        raise IngestError(
            where, f"lacks the keys {', '.join(missing)}", "Add them; null is allowed for arch and classes"
        )
    unknown = [str(key) for key in content if key not in _REQUIRED + _OPTIONAL]
    if unknown:
        raise IngestError(where, f"has the unknown keys {', '.join(unknown)}", "Put other information under 'meta'")
    _check_types(content, where)
    classes = content["classes"]
    return Checkpoint(
        arch=content["arch"],
        arch_kwargs=content["arch_kwargs"],
        state_dict=content["state_dict"],
        exits=tuple(content["exits"]),
        inputs=_inputs(content["input"], where),
        task=content["task"],
        classes=None if classes is None else tuple(classes),
        fold=content.get("fold", 1),
        fold_widths=content.get("fold_widths"),
        meta=content.get("meta", {}),
        attached=attachment_from_plain(content["attached"], where=where) if "attached" in content else None,
    )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` is either the old file or the whole new one.

    Raises:
        IngestError: the checkpoint holds something that could not be loaded again without running code.
    """
    import torch

    content = {
        "format": FORMAT,
        "arch": checkpoint.arch,
        "arch_kwargs": _plain(checkpoint.arch_kwargs),
        "state_dict": {name: tensor.detach().cpu().clone() for name, tensor in checkpoint.state_dict.items()},
        "exits": list(checkpoint.exits),
        "input": [info.to_dict() for info in checkpoint.inputs],
        "task": checkpoint.task,
        "classes": None if checkpoint.classes is None else list(checkpoint.classes),
        "fold": checkpoint.fold,
        "meta": _plain(checkpoint.meta),
    }
    if checkpoint.fold > 1:
        content["fold_widths"] = checkpoint.fold_widths
    if checkpoint.attached is not None:
        content["attached"] = _plain(attachment_to_plain(checkpoint.attached))
    if len(checkpoint.inputs) == 1:
        content["input"] = checkpoint.inputs[0].to_dict()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        load_checkpoint(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def build_module(checkpoint: Checkpoint, factory: str | None) -> "nn.Module":
    """Make the network and load the weights strictly.

    Args:
        checkpoint: what was loaded.
        factory: `package.module:function` that takes the place of `checkpoint.arch`, or None.

    Returns:
        the module in evaluation mode, in float32 on the CPU; of a folded checkpoint a `FoldedNetwork`.

    Raises:
        IngestError: there is no architecture, it does not take the arguments, it cannot be folded, or heads or weights
            do not fit it.
    """
    module = make_network(checkpoint.arch, checkpoint.arch_kwargs, factory)
    where = network_words(checkpoint.arch, factory)
    if checkpoint.attached is not None:
        from eecompile.attach.rebuild import rebuild

        module = rebuild(module, checkpoint.attached, checkpoint.state_dict, where=where, folded=checkpoint.fold > 1)
    if checkpoint.fold_spec is not None:
        from eecompile.fold import fold_network

        module = fold_network(module.float(), checkpoint.fold_spec, checkpoint.inputs[0].network_shape, where=where)
    load_weights(module, checkpoint.state_dict, where=where)
    return module.float().eval()


def _check_types(content: Mapping[str, Any], where: str) -> None:
    from torch import Tensor

    def strings(value: object) -> bool:
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)

    def mapping(value: object) -> bool:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value)

    weights = content["state_dict"]
    expected = {
        "arch": (content["arch"] is None or isinstance(content["arch"], str), "a name or null"),
        "arch_kwargs": (mapping(content["arch_kwargs"]), "a dict with names as keys"),
        "state_dict": (mapping(weights) and all(isinstance(w, Tensor) for w in weights.values()), "a dict of tensors"),
        "exits": (strings(content["exits"]), "a list of names"),
        "classes": (content["classes"] is None or strings(content["classes"]), "a list of names or null"),
        "task": (isinstance(content["task"], str), "a name"),
        "meta": (mapping(content.get("meta", {})), "a dict with names as keys"),
    }
    for key, (fits, words) in expected.items():
        if not fits:
            raise IngestError(where, f"'{key}' is {type(content[key]).__name__}, expected {words}", "Correct it")


def _inputs(value: object, where: str) -> tuple[InputInfo, ...]:
    several = value if isinstance(value, list | tuple) else [value]
    fields = [entry for entry in several if isinstance(entry, dict)]
    if not fields or len(fields) < len(several):
        raise IngestError(where, f"'input' is {value!r}, expected a dict or a list of them", "Describe every input")
    default_name = "x" if len(fields) == 1 else None
    return tuple(InputInfo.from_dict(entry, where=where, default_name=default_name) for entry in fields)


def _plain(value: Any) -> Any:
    """Turn mappings into dicts and sequences into lists, so that a strict unpickler takes them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
