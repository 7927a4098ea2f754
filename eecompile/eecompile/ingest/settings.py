"""What a user can say about a model file."""

from dataclasses import dataclass, fields

from eengines.errors import IngestError

__all__ = ["IngestSettings"]


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """How to read a model. The fields from `input_shape` on are for formats that do not say it: not for checkpoints.

    Attributes:
        factory: `package.module:function` that makes the network of a checkpoint, or None: its `arch`.
        exits: of a checkpoint or an ONNX graph: the exits to keep, shallow to deep. Of other formats, which have no
            names: the names to give. None: all, or `exit_0`, `exit_1`, ...
        trust: load formats that can run code.
        input_shape: shape of one raw sample, for a network with one input.
        input_dtype: numpy's name of the raw element type, such as `uint8`.
        layout: `NCHW` or `NHWC`: order of the raw axes.
        scale: see `InputInfo`, as the next two.
        mean: one value, or one a channel.
        std: one value, or one a channel.
        sequence_max: of an ONNX graph whose inputs have a second symbolic axis: the greatest length along it.
    """

    factory: str | None = None
    exits: tuple[str, ...] | None = None
    trust: bool = False
    input_shape: tuple[int, ...] | None = None
    input_dtype: str | None = None
    layout: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    sequence_max: int | None = None

    def refuse(self, names: tuple[str, ...], *, where: str, why: str) -> None:
        """Raise where one of these fields is given.

        Args:
            names: fields that have no meaning here.
            where: the model file.
            why: what stands against them, such as `a checkpoint describes its inputs itself`.

        Raises:
            IngestError: one of the fields is not None.
        """
        given = [field.name for field in fields(self) if field.name in names and getattr(self, field.name) is not None]
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise IngestError(where, f"got {flags}, but {why}", f"Leave out {flags}")


INPUT_FIELDS = ("input_shape", "input_dtype", "layout", "scale", "mean", "std")
"""The fields that describe the raw samples."""

SEQUENCE_FIELD = "sequence_max"
"""The field for a sequence axis."""
