"""The samples of the build that are for tuning, certifying and reporting."""

from collections.abc import Mapping
from pathlib import Path

from eecalib.trace import SPLITS
from eecalib.whole_groups import dealt_groups
from eecompile.stages import Stages
from eengines.errors import DataError
from eerun.bundle import Bundle
from eerun.data import Samples, default_data_path, digest, load_data, make_splits
from eerun.inputs import check_inputs

__all__ = ["load_splits", "load_whole_groups"]


def load_splits(bundle: Bundle, source: str | None) -> Mapping[str, Samples]:
    """Load the data, cut them as the build did, and return `tune`, `certify` and `test`.

    Args:
        bundle: the bundle.
        source: what `--data` was given; None: the `.npz` of the bundle's or the model's name beside the bundle.

    Raises:
        DataError: there are no data, or their splits are not those of the build.
    """
    manifest = bundle.manifest
    beside = (bundle.path, bundle.path.resolve().parent / Path(manifest.source).name)
    path = source or next((found for found in map(default_data_path, beside) if found is not None), None)
    if path is None:
        names = " or ".join(each.with_suffix(".npz").name for each in beside)
        raise DataError(str(bundle.path), f"no data: --data is not given and there is no {names} beside it", "Give it")
    data = load_data(path, input_names=[entry.name for entry in manifest.inputs])
    made = make_splits(data, seed=manifest.split_seed)
    splits = {name: made[name] for name in SPLITS if name in made}
    for name, samples in splits.items():
        check_inputs(samples.inputs, manifest.inputs)
        known = manifest.splits.get(name)
        if known is not None and digest(samples) != known.sha256:
            problem = f"its {name} split is not that of the build, so that weights or thresholds may have seen it"
            raise DataError(str(path), problem, "Give the data of the build")
    return splits


def load_whole_groups(bundle: Bundle, source: str | None, stages: Stages) -> Mapping[str, Samples]:
    """Load the data as `load_splits` does; of a folded network each split is dealt into whole groups.

    Groups are drawn with the seed of the splits, which the bundle has: every command sees the same ones.

    Args:
        bundle: the bundle.
        source: see `load_splits`.
        stages: where it is said what is left out.

    Raises:
        DataError: see `load_splits`; or a split does not fill one group.
    """
    splits, fold = load_splits(bundle, source), bundle.manifest.images_a_row
    if fold == 1:
        return splits
    found = {}
    for name, samples in splits.items():
        found[name], left_out = dealt_groups(samples, fold, seed=bundle.manifest.split_seed, where=f"split {name!r}")
        if left_out:
            stages.detail(f"{name}: {left_out} of {len(samples)} images left out, the others are groups of {fold}")
    return found
