"""Load test of a server, MLPerf LoadGen's scenario `server`: `run.run_load_test(LoadSettings(qps=200), progress)`.

Nothing is imported here: `eerun bench` without a server needs no HTTP.
"""
