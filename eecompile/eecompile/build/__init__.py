"""Model in, bundle out."""

from eecompile.build.build import build
from eecompile.build.report import BuildReport, SegmentReport, SplitReport
from eecompile.build.settings import BuildSettings
from eecompile.stages import Stages

__all__ = ["BuildReport", "BuildSettings", "SegmentReport", "SplitReport", "Stages", "build"]
