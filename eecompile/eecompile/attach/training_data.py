"""The samples that heads are trained on: the *train* split, and no other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eecompile.attach.backbone import ZOO
from eecompile.attach.settings import AttachSettings
from eecompile.input_info import InputInfo
from eengines.errors import DataError, UserError
from eerun.bundle import InputEntry
from eerun.data import Samples, default_data_path, load_data, make_splits
from eerun.inputs import check_inputs
from eerun.sequence import one_length

__all__ = ["training_data"]


def training_data(backbone: str, settings: AttachSettings, inputs: Sequence[InputInfo]) -> Samples:
    """Load the data and return their *train* split, less what *calib* is cut from it, as a build does.

    Args:
        backbone: as the user named it; without `settings.data` the `.npz` of its name beside it is taken.
        settings: data, and the seed of the splits.
        inputs: what raw samples look like.

    Raises:
        UserError: there are no data.
        DataError: they have no *train* split.
        InputError: samples of another shape or dtype, or inputs of different lengths.
    """
    source = settings.data or (None if backbone.startswith(ZOO) else default_data_path(Path(backbone)))
    if source is None:
        beside = "" if backbone.startswith(ZOO) else f" and there is no {Path(backbone).with_suffix('.npz').name}"
        raise UserError(backbone, f"no data to train heads with: --data is not given{beside}", "Give --data")
    splits = make_splits(load_data(source, input_names=[info.name for info in inputs]), seed=settings.train.seed)
    if "train" not in splits:
        problem = f"has no split 'train' to train heads with: got {', '.join(splits)}"
        raise DataError(
            str(source), problem, "Add x_train (and y_train), which no threshold and no report is made from"
        )
    entries = [
        InputEntry(
            name=info.name,
            dtype=info.dtype,
            shape=tuple(info.shape),
            range=info.range,
            sequence=info.sequence,
            pad=info.pad,
        )
        for info in inputs
    ]
    samples = splits["train"]
    return replace(samples, inputs=one_length(check_inputs(samples.inputs, entries), entries))
