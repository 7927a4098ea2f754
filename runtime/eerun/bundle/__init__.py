"""The bundle: a folder with a manifest, the segments, the policy, the costs and a report. See docs/bundle-format.md."""

from eerun.bundle.amend import amend_bundle, check_amendable
from eerun.bundle.lock import bundle_lock
from eerun.bundle.manifest import (
    ENGINES_FOLDER,
    MANIFEST_NAME,
    SCHEMA,
    ConfigurationEntry,
    DeviceEntry,
    InputEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
    TargetEntry,
    configuration_name,
)
from eerun.bundle.reader import Bundle, find_bundle, open_bundle
from eerun.bundle.writer import BundleWriter

__all__ = [
    "ENGINES_FOLDER",
    "MANIFEST_NAME",
    "SCHEMA",
    "Bundle",
    "BundleWriter",
    "ConfigurationEntry",
    "DeviceEntry",
    "InputEntry",
    "Manifest",
    "PolicyFile",
    "SegmentEntry",
    "SplitEntry",
    "TargetEntry",
    "amend_bundle",
    "bundle_lock",
    "check_amendable",
    "configuration_name",
    "find_bundle",
    "open_bundle",
]
