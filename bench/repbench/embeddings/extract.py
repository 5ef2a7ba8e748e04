"""Extraction: raw items are decoded once, prepared and embedded once in each view, chunk by chunk, into the store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from repbench.datasets.items import Items
from repbench.embeddings.decoded import Decoded
from repbench.embeddings.forward import Forward, prepared_together
from repbench.embeddings.loading import Form, Loader, Source, Wanted
from repbench.embeddings.options import ExtractOptions, check_device
from repbench.embeddings.store import Address, Shelf, TakenError
from repbench.embeddings.views import view_size
from repbench.encoder import Tower
from repbench.errors import DataError, EmbeddingError

CHUNK = 512  # distinct items a chunk: at most this much work is lost when a run is killed


@dataclass(frozen=True, kw_only=True)
class Share:
    """Part `number` (from 0) of `of` equal parts of the chunks of a work."""

    number: int = 0
    of: int = 1


WHOLE = Share()


@dataclass(frozen=True, kw_only=True)
class Work:
    """Distinct items that one tower is to embed in one view: n content keys and where each item can be loaded."""

    address: Address
    view: str
    keys: tuple[str, ...]
    places: tuple[tuple[Items, int], ...] = field(repr=False)


def distinct(places: Sequence[tuple[Items, Sequence[int]]]) -> dict[str, tuple[Items, int]]:
    """Key -> one place where it can be loaded, in first-seen order."""
    found: dict[str, tuple[Items, int]] = {}
    for items, wanted in places:
        keys = items.keys
        for place in wanted:
            found.setdefault(keys[place], (items, place))
    return found


def extract(
    work: Work, tower: Tower, shelf: Shelf, options: ExtractOptions, progress: Callable[[int], None] = lambda count: None
) -> dict[str, str]:
    """Embed what of one work is not on the shelf yet; see `Extractor.fill`."""
    return Extractor([work], [tower], {work.address: shelf}, options, progress).fill(work)


class Extractor:
    """Embeds the works of one encoder, or of several. What they want of an item is done when it is loaded."""

    def __init__(
        self,
        works: Iterable[Work],
        towers: Iterable[Tower],
        shelves: Mapping[Address, Shelf],
        options: ExtractOptions,
        progress: Callable[[int], None] = lambda count: None,
        decoded: Decoded | None = None,
    ) -> None:
        check_device(options.device)
        self._decoded = None if options.workers else decoded  # processes would each have their own
        self._towers = {tower.fingerprint: tower for tower in towers}
        self._forwards: dict[str, Forward] = {}
        self._shelves, self._options, self._progress = shelves, options, progress
        self._views: dict[Address, str] = {}
        self._keys: dict[Address, set[str]] = {}
        for work in works:
            self._views[work.address] = work.view
            self._keys.setdefault(work.address, set()).update(work.keys)

    def notes(self, tower: Tower) -> dict[str, str]:
        """What is to be told of the forward passes of a tower: why they were not as fast or as large as was asked for."""
        return self._forwards[tower.fingerprint].notes if tower.fingerprint in self._forwards else {}

    def passes(self, tower: Tower) -> int:
        """How many items a forward pass of a tower really took; 0 where none was run."""
        return self._forwards[tower.fingerprint].passes if tower.fingerprint in self._forwards else 0

    def fill(self, work: Work, share: Share = WHOLE, *, ahead: bool = False) -> dict[str, str]:
        """Embed what of `work` is not on its shelf yet, and in passing what others want of the same items.

        Chunks that another process is computing are left for later; `ahead` of the task that needs them, for good.
        Returns the items that were skipped: key -> reason. Raises DataError for an undecodable item unless they are to be
        skipped, and EmbeddingError when the tower fails; what else could be embedded of that chunk is stored then.
        """
        skipped: dict[str, str] = {}
        if not self._shelves[work.address].missing(work.keys):
            return skipped
        forms, prepares = self._forms(work)
        source = Source(keys=work.keys, places=work.places, prepares=prepares, seed=self._options.seed, decoded=self._decoded)
        chunks = [range(start, min(start + CHUNK, len(work.keys))) for start in range(0, len(work.keys), CHUNK)]
        taken: list[range] = []
        with Loader(source, self._options) as loader:
            for chunk in chunks[share.number :: share.of]:
                try:
                    skipped |= self._fill_chunk(work, forms, chunk, loader, wait=False)
                except TakenError:
                    taken.append(chunk)
            for chunk in [] if ahead else taken:
                skipped |= self._fill_chunk(work, forms, chunk, loader, wait=True)
        return skipped

    def _fill_chunk(
        self, work: Work, forms: Mapping[Address, Form], places: range, loader: Loader, *, wait: bool
    ) -> dict[str, str]:
        keys = work.keys[places.start : places.stop]
        if not self._shelves[work.address].missing(keys):
            return {}
        with contextlib.ExitStack() as claims:
            for address in sorted(forms, key=lambda address: address.folder):  # one order, so that nobody waits in a ring
                claims.enter_context(self._shelves[address].claim(keys, wait=wait))
            absent = {address: self._keys[address] & set(self._shelves[address].missing(keys)) for address in forms}
            wanted = [
                (place, tuple(dict.fromkeys(form for one, form in forms.items() if work.keys[place] in absent[one])))
                for place in places
                if work.keys[place] in absent[work.address]
            ]
            trays, bad = self._embed(work, forms, wanted, absent, loader)
            for address, tray in trays.items():
                if tray.keys:
                    self._shelves[address].add(tray.keys, tray.array(view_size(self._views[address])))
                    self._progress(len(tray.keys))
        if bad and self._options.on_bad_item == "fail":
            raise DataError(
                f"{next(iter(bad.values()))} Use --on-bad-item skip to leave such items out; the record counts them."
            )
        return bad

    def _forms(self, work: Work) -> tuple[dict[Address, Form], list[Callable[[Any], torch.Tensor]]]:
        """The form in which each address wants the items, that of the work first, and the preparations that forms count.

        Of others, those whose towers can be given what is decoded for this one; only images have other views.
        """
        is_image = work.places[0][0].modality == "image"
        own = self._towers[work.address.tower].prepare
        forms, prepares = {work.address: (work.view, 0)}, [own]
        for address in self._keys:
            prepare, view = self._towers[address.tower].prepare, self._views[address]
            if address in forms or not prepared_together(own, prepare) or not (is_image or view_size(view) == 1):
                continue
            if prepare not in prepares:
                prepares.append(prepare)
            forms[address] = (view, prepares.index(prepare))
        return forms, prepares

    def _embed(
        self,
        work: Work,
        forms: Mapping[Address, Form],
        wanted: Sequence[Wanted],
        absent: Mapping[Address, set[str]],
        loader: Loader,
    ) -> tuple[dict[Address, _Tray], dict[str, str]]:
        trays = {address: _Tray(self._forward(self._towers[address.tower])) for address in absent}
        bad: dict[str, str] = {}
        for group in loader.groups(wanted, self._options.batch_size):
            bad |= {loaded.key: loaded.reason for loaded in group if loaded.reason}
            for address, tray in list(trays.items()):
                form = forms[address]
                with _dropping(trays, address, unless=work.address):
                    tray.take(
                        [(one.key, one.inputs[form]) for one in group if form in one.inputs and one.key in absent[address]]
                    )
        for address, tray in list(trays.items()):
            with _dropping(trays, address, unless=work.address):
                tray.finish()
        return trays, bad

    def _forward(self, tower: Tower) -> Forward:
        if tower.fingerprint not in self._forwards:
            self._forwards[tower.fingerprint] = Forward(tower, self._options)
        return self._forwards[tower.fingerprint]


@contextlib.contextmanager
def _dropping(trays: dict[Address, _Tray], address: Address, *, unless: Address) -> Iterator[None]:
    """A view that fails is left to those who ask for it in the first place; the view that is asked for now may not fail."""
    try:
        yield
    except EmbeddingError:
        if address == unless:
            raise
        del trays[address]


class _Tray:
    """Inputs of one view on their way through the network: whole passes as soon as there are enough for one."""

    def __init__(self, forward: Forward) -> None:
        self.keys: list[str] = []
        self._forward = forward
        self._waiting: list[torch.Tensor] = []
        self._rows: list[np.ndarray] = []

    def take(self, group: Sequence[tuple[str, np.ndarray]]) -> None:
        if not group:
            return
        self.keys += [key for key, _ in group]
        self._waiting += [torch.from_numpy(inputs) for _, inputs in group]
        inputs = self._joined()
        full = self._forward.in_passes(inputs)
        if full:
            self._rows.append(self._forward(inputs[:full]))
        self._waiting = [inputs[full:]]

    def finish(self) -> None:
        if self._waiting and len(inputs := self._joined()):
            self._rows.append(self._forward(inputs))

    def array(self, views: int) -> np.ndarray:
        rows = np.concatenate(self._rows)
        return rows.reshape(len(self.keys), views, rows.shape[1])

    def _joined(self) -> torch.Tensor:
        try:
            return torch.cat(self._waiting)
        except RuntimeError as error:
            shapes = " and ".join(str(shape) for shape in sorted({tuple(one.shape[1:]) for one in self._waiting})[:3])
            raise EmbeddingError(f"the encoder prepares items to inputs of different shapes: {shapes}.") from error
