"""Numba kernels: loops without policy. What runs where is decided by `plan`."""
