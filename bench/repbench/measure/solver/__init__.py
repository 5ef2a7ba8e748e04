"""The inside of the probes' solver, on torch tensors (CPU or CUDA). `measure/logistic.py` is its door."""
