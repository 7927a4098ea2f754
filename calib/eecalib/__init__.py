"""What is fitted to data without touching weights: int8 ranges, thresholds, schedules, certificates."""
