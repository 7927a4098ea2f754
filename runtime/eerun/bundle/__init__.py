"""The bundle: a folder with a manifest, the segments, the policy, the costs and a report. See docs/bundle-format.md."""

from eerun.bundle.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    ConfigurationEntry,
    InputEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
    TargetEntry,
)
from eerun.bundle.reader import Bundle, find_bundle, open_bundle
from eerun.bundle.writer import BundleWriter

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA",
    "Bundle",
    "BundleWriter",
    "ConfigurationEntry",
    "InputEntry",
    "Manifest",
    "PolicyFile",
    "SegmentEntry",
    "SplitEntry",
    "TargetEntry",
    "find_bundle",
    "open_bundle",
]
