"""Number formats of a segment: float16, bfloat16 and explicit INT8."""
