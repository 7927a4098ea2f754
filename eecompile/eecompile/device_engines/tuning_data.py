"""What thresholds for a card are tuned with: the tune split of the build, and what float32 says about it."""

from dataclasses import dataclass

from eecalib.exit_table import ExitTable
from eecalib.record import record_exits
from eecalib.whole_groups import dealt_groups
from eecompile.device_engines.settings import EnginesSettings
from eecompile.stages import Stages
from eengines.errors import DataError
from eerun.bundle import Bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import Samples, default_data_path, digest, load_data, make_splits
from eerun.inputs import check_inputs

__all__ = ["TuningData", "load_tuning_data"]

REFERENCE = "onnxruntime"


@dataclass(frozen=True, kw_only=True, eq=False)
class TuningData:
    """Samples and reference.

    Attributes:
        samples: the tune split; of a folded network those of its images that fill whole groups, dealt as the build did.
        reference: what every exit says in float32, on the CPU.
    """

    samples: Samples
    reference: ExitTable


def load_tuning_data(bundle: Bundle, settings: EnginesSettings, stages: Stages) -> TuningData | None:
    """Load the split that the build tuned with, and run it in float32; None: no data are given or beside the bundle.

    Raises:
        DataError: the data are not those of the build, so that some may have been seen by the weights, or they do not
            fill a group of a folded network.
    """
    source = settings.data or default_data_path(bundle.path)
    if source is None:
        return None
    manifest = bundle.manifest
    data = load_data(source, input_names=[entry.name for entry in manifest.inputs])
    samples = make_splits(data, seed=manifest.split_seed)["tune"]
    check_inputs(samples.inputs, manifest.inputs)
    known = manifest.splits.get("tune")
    if known is not None and digest(samples) != known.sha256:
        raise DataError(
            str(source), "its tune split is not the one that the bundle was tuned with", "Give the data of the build"
        )
    if samples.labels is None and not settings.agreement:
        raise DataError(str(source), "split 'tune' has no labels", "Add labels, or tune for agreement with --agreement")
    fold, count = manifest.images_a_row, len(samples)
    samples, left_out = dealt_groups(samples, fold, seed=manifest.split_seed, where="split 'tune'")
    if left_out:
        stages.detail(f"tune: {left_out} of {count} images left out, the others are groups of {fold}")
    way = choose_configuration(bundle, engine=REFERENCE, precision="float32")
    with stages.stage("float32 on the CPU, for comparison"):
        reference = record_exits(way.open_chain(), samples, stages.progress)
    return TuningData(samples=samples, reference=reference)
