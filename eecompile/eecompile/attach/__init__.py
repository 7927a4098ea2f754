"""Attach heads to taps of a trained network."""
