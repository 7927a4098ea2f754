"""Which exits of a network pay: those that do not are dropped, and their segments merge."""
