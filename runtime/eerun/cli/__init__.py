"""The command line of `eerun`."""
