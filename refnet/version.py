"""The version of the code that runs, which need not be the one that was installed."""

__version__ = "0.1.0"
