"""Turn a trained multi-exit network into a bundle."""
