"""One file per method; the registry is this folder. See `repbench.trainers.method` for what a file holds."""
