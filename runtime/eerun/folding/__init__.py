"""Folded networks at run time: several images share one pass."""

from eerun.folding.group_exit import GroupExit, GroupsLeft, leave_in_groups, passes_needed
from eerun.folding.groups import rows_of, to_rows

__all__ = ["GroupExit", "GroupsLeft", "leave_in_groups", "passes_needed", "rows_of", "to_rows"]
