"""Heads: what turns a feature of the trunk into an answer. One kind a file."""
