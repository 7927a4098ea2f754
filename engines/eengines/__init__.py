"""Build and run one segment on one device. Knows nothing of exits."""
