"""The bundle: a folder with a manifest, the segments, the policy, the costs and a report. See docs/bundle-format.md."""

from eerun.bundle.amend import amend_bundle, check_amendable
from eerun.bundle.certificate import UNKNOWN_VERSION, Certificate, Fallback
from eerun.bundle.find_bundle import find_bundle, unfolded_place
from eerun.bundle.lock import bundle_lock
from eerun.bundle.manifest import (
    EASINESS_NAME,
    ENGINES_FOLDER,
    LENGTH,
    MANIFEST_NAME,
    REFRESH_NAME,
    SCHEMA,
    TUNE_NAME,
    ConfigurationEntry,
    DeviceEntry,
    FoldEntry,
    InputEntry,
    LengthEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
    TargetEntry,
    configuration_name,
)
from eerun.bundle.overlay import OverlaidBundle
from eerun.bundle.reader import Bundle, open_bundle
from eerun.bundle.rewrite import rewrite_bundle
from eerun.bundle.why_void import graphs_digest, graphs_of, policy_digest, why_void
from eerun.bundle.writer import BundleWriter

__all__ = [
    "EASINESS_NAME",
    "ENGINES_FOLDER",
    "LENGTH",
    "MANIFEST_NAME",
    "REFRESH_NAME",
    "SCHEMA",
    "TUNE_NAME",
    "UNKNOWN_VERSION",
    "Bundle",
    "BundleWriter",
    "Certificate",
    "ConfigurationEntry",
    "DeviceEntry",
    "Fallback",
    "FoldEntry",
    "InputEntry",
    "LengthEntry",
    "Manifest",
    "OverlaidBundle",
    "PolicyFile",
    "SegmentEntry",
    "SplitEntry",
    "TargetEntry",
    "amend_bundle",
    "bundle_lock",
    "check_amendable",
    "configuration_name",
    "find_bundle",
    "graphs_digest",
    "graphs_of",
    "open_bundle",
    "policy_digest",
    "rewrite_bundle",
    "unfolded_place",
    "why_void",
]
