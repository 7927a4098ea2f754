"""Calibrate INT8: from the values that tensors take on data to the ranges that they are clipped to."""
