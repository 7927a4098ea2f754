"""Write what another server needs to serve a bundle."""

from eecompile.export.export import export_bundle
from eecompile.export.settings import ExportSettings, ExportTarget, InstanceKind

__all__ = ["ExportSettings", "ExportTarget", "InstanceKind", "export_bundle"]
