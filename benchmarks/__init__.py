"""Benchmarks of the project; each writes JSON into `results/`."""
