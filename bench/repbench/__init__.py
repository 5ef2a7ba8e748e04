"""repbench: the open benchmark of representations."""

__version__ = "0.1.0"
