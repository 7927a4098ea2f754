"""Cut a multi-exit graph into one graph for each exit, at minimal cuts."""

from eecompile.split.plan import SegmentPlan, SplitPlan
from eecompile.split.split import Segment, Split, split_model

__all__ = ["Segment", "SegmentPlan", "Split", "SplitPlan", "split_model"]
