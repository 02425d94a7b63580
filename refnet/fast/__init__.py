"""The fast engine: float32, numba, the same bits on every machine."""
