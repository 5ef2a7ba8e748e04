"""`python -m repbench.cli`."""

from repbench.cli import main

main()
