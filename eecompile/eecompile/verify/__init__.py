"""Check a finished bundle: its files, and that every way to run it answers as it should."""

from eecompile.verify.check import Check
from eecompile.verify.verify import Verification, verify

__all__ = ["Check", "Verification", "verify"]
