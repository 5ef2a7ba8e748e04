"""Datasets with known factors as they are published: one file a layout. `read` gives a listing a split.

Where the authors define no split, or far more images than a probe needs, rows are drawn by a fixed seed (drawing.py).
"""
