"""How published compositional probes lie on disk, one file a family of layouts: annotations beside a folder of images.

Each layout has a function that gives the rows of the split test in their published order; `sources/annotations.py` names them.
"""
