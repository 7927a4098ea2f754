"""TensorRT and TensorRT for RTX: build plans, load them, run them. One code path; the library is a parameter."""
