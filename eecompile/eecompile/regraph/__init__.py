"""Change the graphs of a bundle without a rebuild: another policy, fewer exits, heads as graphs of their own.

All functions take graphs of any precision as bytes, and return new ones. Merging exits goes in this order:
`keep_exits` (which strips the scores, because exits get new numbers), then `rescore`, then `split_heads` if wanted.
"""

from eecompile.regraph.exit_names import ExitNames
from eecompile.regraph.keep_exits import keep_exits
from eecompile.regraph.merge import merge
from eecompile.regraph.rescore import rescore
from eecompile.regraph.split_head import fuse_head, split_head, split_heads
from eecompile.regraph.strip import strip

__all__ = ["ExitNames", "fuse_head", "keep_exits", "merge", "rescore", "split_head", "split_heads", "strip"]
