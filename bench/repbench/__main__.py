"""`python -m repbench`."""

from repbench.cli import program

program()
