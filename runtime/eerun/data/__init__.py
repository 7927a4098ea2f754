"""Data sets: where samples come from, and which of them may be used for what."""

from eerun.data.data_set import SPLITS, DataSet, Labels, Samples
from eerun.data.digest import digest
from eerun.data.label_rules import check_labels, ignored_label
from eerun.data.sources import default_data_path, load_data
from eerun.data.splits import make_splits

__all__ = [
    "SPLITS",
    "DataSet",
    "Labels",
    "Samples",
    "check_labels",
    "default_data_path",
    "digest",
    "ignored_label",
    "load_data",
    "make_splits",
]
