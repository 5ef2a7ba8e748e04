"""How published datasets lie on disk, one file a dataset: the layouts that torchvision reads, read without it.

Each has `read(folder, split, options)`, which lists one split of ours, and `class_names(folder)`, in label order, or None
where the files do not tell. Nothing is decoded.
"""
