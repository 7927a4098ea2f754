"""Pictures of what a build measured, as PNG; needs the extra `report` (matplotlib)."""
