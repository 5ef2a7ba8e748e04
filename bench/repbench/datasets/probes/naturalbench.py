"""NaturalBench (Li et al. 2024): two images and two questions whose answers differ; a question and an answer make a caption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import text_items
from repbench.datasets.sources.huggingface import column_items, load_table
from repbench.datasets.table import RawSplit
from repbench.errors import DataError


def split(folder: Path, declaration: DatasetDeclaration) -> RawSplit:
    """Parquet files of the hub: Image_0, Image_1, Question_0, Question_1, Image_I_Question_J (answers), Question_Type."""
    files = sorted(str(path) for path in folder.glob("**/*.parquet"))
    if not files:
        raise DataError(f"{folder}: no Parquet file.")
    table = load_table(folder, "parquet", data_files={"test": files}, split="test")
    wanted = [*(f"{kind}_{k}" for kind in ("Image", "Question") for k in range(2)), *ANSWERS.values()]
    for column in wanted:
        if column not in table.column_names:
            raise DataError(f"{folder}: no column {column!r}; there are {', '.join(table.column_names)}.")
    ids = [f"test/{place}" for place in range(len(table))]
    media = {f"image_{k}": column_items(table, f"Image_{k}", "image", ids, folder) for k in range(2)}
    for place, ((image, question), answer) in enumerate(ANSWERS.items()):
        texts = [f"{asked} {said}" for asked, said in zip(table[f"Question_{question}"], table[answer], strict=True)]
        media[f"caption_{place}"] = text_items(texts, [f"{one} question {question} image {image}" for one in ids])
    kind = next((name for name in ("Question_Type", "Question Type") if name in table.column_names), None)
    columns = {"kind": np.asarray(table[kind][:] if kind else ["question"] * len(table))}
    return RawSplit(ids=np.array(ids), label=np.zeros(len(ids), np.int64), columns=columns, media=media)


ANSWERS: dict[tuple[int, int], Any] = {  # (image, question) -> the column of the answer, in the order of the captions
    (image, question): f"Image_{image}_Question_{question}" for question in range(2) for image in range(2)
}
