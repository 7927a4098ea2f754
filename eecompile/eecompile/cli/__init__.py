"""The `eecompile` command."""
