"""What a network must take for its images to share a pass."""

from collections.abc import Sequence

from eecompile.fold.spec import check_factor, check_widths
from eecompile.input_info import InputInfo
from eengines.errors import IngestError

__all__ = ["check_fold", "check_foldable", "check_image"]

IMAGE_AXES = 3


def check_fold(
    factor: object, widths: object, inputs: Sequence[InputInfo], task: str, *, where: str = "checkpoint"
) -> None:
    """Check what a checkpoint says of folding; factor 1 is a network that is not folded.

    Raises:
        IngestError: fields that do not fit each other.
    """
    if type(factor) is int and factor == 1:
        if widths is not None:
            problem = f"is {widths!r} without a fold factor, expected none"
            raise IngestError(f"{where}: fold_widths", problem, "Leave it out")
        return
    if type(factor) is not int or factor < 1:
        raise IngestError(f"{where}: fold", f"is {factor!r}, expected 1 or more", "Correct it")
    check_factor(factor, where=f"{where}: fold")
    check_widths(widths, where=f"{where}: fold_widths")
    check_foldable(inputs, task, where=f"{where}: fold")


def check_foldable(inputs: Sequence[InputInfo], task: str, *, where: str) -> None:
    """Refuse networks that take something else than one image, or that do not classify it.

    Args:
        inputs: of the network.
        task: of its checkpoint.
        where: the file or flag, for messages.

    Raises:
        IngestError: the network cannot be folded.
    """
    remedy = "Only networks that classify images can be folded"
    if task != "classification":
        raise IngestError(where, f"the network's task is {task}, expected classification", remedy)
    shapes = ", ".join(f"{info.name} {list(info.network_shape)} {info.network_dtype}" for info in inputs)
    image = len(inputs) == 1 and inputs[0].sequence is None and inputs[0].network_dtype == "float32"
    if not image or len(inputs[0].network_shape) != IMAGE_AXES:
        problem = f"the network takes {shapes}, expected one float32 image [channels, height, width]"
        raise IngestError(where, problem, remedy)


def check_image(shape: Sequence[int], *, where: str) -> None:
    """Refuse samples that are no images.

    Args:
        shape: of one sample as the network sees it.
        where: what made the network, for messages.

    Raises:
        IngestError: they are not.
    """
    if len(shape) != IMAGE_AXES:
        problem = f"takes samples of shape {list(shape)}, expected images [channels, height, width]"
        raise IngestError(where, problem, "Networks of other samples cannot be folded")
