"""Pair scores: each distinct pair of an image and a text is judged once by a scorer, chunk by chunk, into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from repbench.datasets.dataset import Split
from repbench.datasets.items import Items, noise_images
from repbench.digests import digest_text
from repbench.embeddings.extract import CHUNK
from repbench.embeddings.forward import copied, finishes_batches, halved
from repbench.embeddings.loading import PLAIN, Loader, Source
from repbench.embeddings.memory import is_out_of_memory
from repbench.embeddings.needs import NULL_IMAGES, PairScores
from repbench.embeddings.options import PRECISIONS, ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import PairScorer
from repbench.errors import DataError, EmbeddingError, RepbenchError

Place = tuple[Items, int]


@dataclass(frozen=True, kw_only=True)
class PairWork:
    """Distinct pairs that one scorer is to judge: n keys, and where image and text of each can be loaded."""

    address: Address
    keys: tuple[str, ...]
    items: tuple[tuple[str, str], ...] = field(repr=False)  # the content keys of image and text
    places: tuple[tuple[Place, Place], ...] = field(repr=False)


def pair_work(need: PairScores, split: Split, scorer: PairScorer, precision: str) -> PairWork:
    """The pairs that a need asks for; those of one image follow each other, so that it is prepared once."""
    found: dict[str, tuple[tuple[str, str], tuple[Place, Place]]] = {}
    for columns in need.pairs:
        images, texts = (column_items(split, column) for column in columns)
        for place, items in enumerate(zip(images.keys, texts.keys, strict=True)):
            found.setdefault(pair_key(*items), (items, ((images, place), (texts, place))))
    order = sorted(found, key=lambda key: found[key][0])
    return PairWork(
        address=Address(tower=scorer.fingerprint, view="pairs", precision=precision),
        keys=tuple(order),
        items=tuple(found[key][0] for key in order),
        places=tuple(found[key][1] for key in order),
    )


def pair_key(image: str, text: str) -> str:
    """The key of a pair in the store, from the content keys of its two items."""
    return digest_text("pair", image, text)


def column_items(split: Split, column: str) -> Items:
    """The items of a column of a split, or as many times the same image of noise."""
    if column in NULL_IMAGES:
        return noise_images(NULL_IMAGES.index(column), len(split))
    return split.media[column]


class PairExtractor:
    """Judges the pairs of an encoder's scorers."""

    def __init__(
        self,
        scorers: Iterable[PairScorer],
        shelves: Mapping[Address, Shelf],
        options: ExtractOptions,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._scorers = {scorer.fingerprint: scorer for scorer in scorers}
        self._forwards: dict[str, PairForward] = {}
        self._shelves, self._options, self._progress = shelves, options, progress

    def notes(self, scorer: PairScorer) -> dict[str, str]:
        """What is to be told of the passes of a scorer: why they were not as large as was asked for."""
        return self._forwards[scorer.fingerprint].notes if scorer.fingerprint in self._forwards else {}

    def passes(self, scorer: PairScorer) -> int:
        """How many pairs a pass of a scorer really took; 0 where none was run."""
        return self._forwards[scorer.fingerprint].passes if scorer.fingerprint in self._forwards else 0

    def fill(self, work: PairWork) -> dict[str, str]:
        """Judge what of `work` is not on its shelf yet. Returns the items that were skipped: key of the item -> reason.

        Raises DataError for an undecodable item unless they are to be skipped, and EmbeddingError when the scorer fails.
        """
        skipped: dict[str, str] = {}
        if not self._shelves[work.address].missing(work.keys):
            return skipped
        scorer = self._scorers[work.address.tower]
        loaders = _loaders(work, scorer, self._options)
        with loaders[0], loaders[1]:
            for start in range(0, len(work.keys), CHUNK):
                skipped |= self._fill_chunk(work, range(start, min(start + CHUNK, len(work.keys))), scorer, loaders)
        return skipped

    def _fill_chunk(
        self, work: PairWork, places: range, scorer: PairScorer, loaders: tuple[_Inputs, _Inputs]
    ) -> dict[str, str]:
        keys, shelf = work.keys[places.start : places.stop], self._shelves[work.address]
        if not shelf.missing(keys):
            return {}
        with shelf.claim(keys):
            absent = set(shelf.missing(keys))
            wanted = [place for place in places if work.keys[place] in absent]
            done, scores, bad = self._judge(work, wanted, scorer, loaders)
            if done:
                shelf.add(done, np.concatenate(scores).reshape(-1, 1, 1))
                self._progress(len(done))
        if bad and self._options.on_bad_item == "fail":
            raise DataError(f"{next(iter(bad.values()))} Use --on-bad-item skip to leave such items out.")
        return bad

    def _judge(
        self, work: PairWork, wanted: Sequence[int], scorer: PairScorer, loaders: tuple[_Inputs, _Inputs]
    ) -> tuple[list[str], list[np.ndarray], dict[str, str]]:
        forward = self._forwards.setdefault(scorer.fingerprint, PairForward(scorer, self._options))
        done: list[str] = []
        scores: list[np.ndarray] = []
        bad: dict[str, str] = {}
        for start in range(0, len(wanted), self._options.batch_size):
            group = wanted[start : start + self._options.batch_size]
            sides = [loader.of([work.items[place][side] for place in group]) for side, loader in enumerate(loaders)]
            bad |= sides[0].bad | sides[1].bad
            good = [place for place in group if not bad.keys() & set(work.items[place])]
            if good:
                images, texts = (
                    torch.stack([side.inputs[work.items[place][number]] for place in good]) for number, side in enumerate(sides)
                )
                done += [work.keys[place] for place in good]
                scores.append(forward(images, texts))
        return done, scores, bad


@dataclass(frozen=True)
class _Side:
    """Prepared inputs by key, and those that could not be read: key -> reason."""

    inputs: dict[str, Tensor]
    bad: dict[str, str]


class _Inputs:
    """The images or the texts of a work, prepared; those of the batch before are kept."""

    def __init__(self, work: PairWork, side: int, scorer: PairScorer, options: ExtractOptions) -> None:
        places: dict[str, Place] = {}
        for items, pair in zip(work.items, work.places, strict=True):
            places.setdefault(items[side], pair[side])
        self._index = {key: index for index, key in enumerate(places)}
        prepare = scorer.prepare["image" if side == 0 else "text"]
        source = Source(keys=list(places), places=list(places.values()), prepares=(prepare,), seed=options.seed)
        self._loader = Loader(source, options)
        self._before = _Side({}, {})

    def __enter__(self) -> None:
        self._loader.__enter__()

    def __exit__(self, *error: object) -> None:
        self._loader.__exit__(*error)

    def of(self, keys: Sequence[str]) -> _Side:
        """The inputs of these keys."""
        known = {key: self._before.inputs[key] for key in keys if key in self._before.inputs}
        bad = {key: self._before.bad[key] for key in keys if key in self._before.bad}
        fresh = [(self._index[key], (PLAIN,)) for key in dict.fromkeys(keys) if key not in known and key not in bad]
        for group in self._loader.groups(fresh, max(1, len(fresh))):
            for one in group:
                if one.reason:
                    bad[one.key] = one.reason
                else:
                    known[one.key] = torch.from_numpy(one.inputs[PLAIN][0])
        self._before = _Side(known, bad)
        return self._before


def _loaders(work: PairWork, scorer: PairScorer, options: ExtractOptions) -> tuple[_Inputs, _Inputs]:
    return _Inputs(work, 0, scorer, options), _Inputs(work, 1, scorer, replace(options, workers=0))


class PairForward:
    """The forward passes of one scorer, all of one shape: the last is filled up by repeating a pair.

    When memory runs out, the passes become half as large; `notes` tells of it.
    """

    def __init__(self, scorer: PairScorer, options: ExtractOptions) -> None:
        self.notes: dict[str, str] = {}
        self._scorer, self._options = scorer, options
        self._size = options.batch_size
        self._module: nn.Module | None = None

    @property
    def passes(self) -> int:
        """Pairs in each pass, the smallest that were needed; 0 where none was run."""
        return self._size if self._module is not None else 0

    def __call__(self, images: Tensor, texts: Tensor) -> np.ndarray:
        """Scores float32 (n,) of prepared images (n, ...) and texts (n, ...). Raises EmbeddingError when the scorer fails."""
        rows: list[np.ndarray] = []
        start = 0
        while start < len(images):
            part = images[start : start + self._size], texts[start : start + self._size]
            try:
                rows.append(self._run(*part))
            except RepbenchError:
                raise
            except Exception as error:  # a network may raise anything
                if not is_out_of_memory(error) or self._size == 1:
                    raise EmbeddingError(f"the scorer failed on {len(part[0])} pairs ({error}).") from error
                self._size //= 2
                self.notes["batch"] = halved(self._size, self._options)
            else:
                start += len(part[0])
        return np.concatenate(rows)

    def _run(self, images: Tensor, texts: Tensor) -> np.ndarray:
        count, device = len(images), self._options.device
        if self._module is None:
            self._module = self._scorer.module if device == "cpu" else copied(self._scorer.module).to(device)
        images, texts = (self._filled(one).to(device) for one in (images, texts))
        prepare = self._scorer.prepare["image"]
        if finishes_batches(prepare):
            images = prepare.scale(images)
        dtype = PRECISIONS[self._options.precision]
        with torch.inference_mode(), torch.autocast(torch.device(device).type, dtype=dtype, enabled=dtype is not None):
            out: Tensor = self._module(images, texts)
        if tuple(out.shape) != (self._size,):
            raise EmbeddingError(f"the scorer gave {tuple(out.shape)}; expected {(self._size,)}.")
        scores: np.ndarray = out[:count].float().cpu().numpy()
        return scores

    def _filled(self, part: Tensor) -> Tensor:
        missing = self._size - len(part)
        return torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
