"""Heads: what turns a feature of the trunk into an answer. One kind a file; torch is imported when a head is made."""

from eecompile.heads.parse import parse_heads
from eecompile.heads.table import KINDS, all_kinds, head_from

__all__ = ["KINDS", "all_kinds", "head_from", "parse_heads"]
