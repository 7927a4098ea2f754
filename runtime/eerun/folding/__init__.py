"""Folded networks at run time: several images share one pass."""

from eerun.folding.easiness import Easiness, channel_axis, image_statistics, statistic_names
from eerun.folding.group_exit import GroupExit, GroupsLeft, leave_in_groups, passes_needed
from eerun.folding.grouping import Grouping, order_of
from eerun.folding.groups import by_image, fill_rows, rows_of, to_rows
from eerun.folding.partial_groups import count_with_copies, partial_groups

__all__ = [
    "Easiness",
    "GroupExit",
    "Grouping",
    "GroupsLeft",
    "by_image",
    "channel_axis",
    "count_with_copies",
    "fill_rows",
    "image_statistics",
    "leave_in_groups",
    "order_of",
    "partial_groups",
    "passes_needed",
    "rows_of",
    "statistic_names",
    "to_rows",
]
