"""Other ways to run the same network, for `eerun bench --against`."""
