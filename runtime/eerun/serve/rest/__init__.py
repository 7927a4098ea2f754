"""The protocol over HTTP, with Triton's binary tensors."""
