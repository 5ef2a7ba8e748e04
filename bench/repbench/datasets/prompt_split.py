"""The derived split "prompts" of a dataset: what zero-shot asks the text tower."""

from __future__ import annotations

import numpy as np

from repbench.datasets.dataset import Split
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import text_items
from repbench.errors import DataError


def prompt_split(declaration: DatasetDeclaration, class_names: tuple[str, ...]) -> Split:
    """The derived split "prompts": every prompt of every class. Raises DataError for a class without one."""
    assert declaration.prompts is not None
    texts: list[str] = []
    labels: list[int] = []
    for index, class_name in enumerate(class_names):
        prompts = declaration.prompts.of(class_name)
        if not prompts:
            raise DataError(
                f"{declaration.name}: the class {class_name!r} has no prompt; give it a description, or all a template."
            )
        texts += prompts
        labels += [index] * len(prompts)
    ids = [f"prompt/{place}" for place in range(len(texts))]
    return Split(
        name="prompts",
        ids=np.array(ids),
        label=np.array(labels, dtype=np.int64),
        columns={"prompt": np.array(texts)},
        media={"text": text_items(texts, ids)},
        class_names=class_names,
    )
