"""`python -m repbench.cli`."""

from repbench.cli import program

program()
