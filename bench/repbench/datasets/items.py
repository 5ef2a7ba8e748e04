"""Raw items: the images, sounds and texts of a split, each with a content key, decoded only when asked for."""

from __future__ import annotations

import io
import re
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from repbench.digests import digest_bytes
from repbench.encoder import Sound
from repbench.errors import DataError

if TYPE_CHECKING:
    from PIL import Image


FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # PIL knows more; some of those start other programs
MOST_LONG = 200  # times that an image may be as long as it is wide, or as wide as long
MOST_SAMPLES = 300_000_000  # of a sound, over its channels: half an hour of stereo at 48 kHz is 173 million
_ADDRESS = re.compile(r" ?<[^<>]* at 0x[0-9a-fA-F]+>")


class Items(ABC):
    """An ordered collection of raw items of one modality."""

    on_disk: ClassVar[bool] = False  # whether the content is read from a file of its own each time, and may change between

    def __init__(self, modality: str, names: Sequence[str]) -> None:
        self.modality = modality
        self.names = names  # what an error message calls each item: a file, or the id of a row

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def content(self, place: int) -> bytes:
        """The encoded bytes of one item, as they lie in the source."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The content key of every item (32 hexadecimal digits): equal keys, equal items."""
        return tuple(self.key(place) for place in range(len(self)))

    def key(self, place: int) -> str:
        """The content key of one item."""
        return digest_bytes(self.modality.encode() + b"\0" + self.content(place))

    def load(self, place: int) -> Any:
        """One decoded item: a PIL image in mode RGB, a `Sound` or a str. Raises DataError that names it, and MemoryError."""
        data = self.content(place)
        try:
            return DECODERS[self.modality](data)
        except MemoryError:  # the machine's fault and not the item's, which may not be skipped for it
            raise
        except Exception as error:  # PIL and libsndfile raise whatever their plugins raise
            reason = _ADDRESS.sub("", str(error)) or type(error).__name__  # equal runs write equal records
            raise DataError(f"{self.names[place]}: this {self.modality} cannot be decoded ({reason}).") from error

    def check(self, place: int, key: str) -> None:
        """Raise DataError where an item on disk has no longer this content key: nothing is stored as what it is not."""
        if self.on_disk and self.key(place) != key:
            raise DataError(f"{self.names[place]}: has changed since this run began; give the same command again.")

    def take(self, places: np.ndarray) -> Items:
        """The items at `places`, int (m,), in that order."""
        return _Taken(self, places)


class EncodedItems(Items):
    """Items whose encoded bytes are at hand: a column of a Parquet file, or texts."""

    def __init__(self, modality: str, names: Sequence[str], blobs: Sequence[bytes]) -> None:
        super().__init__(modality, names)
        self._blobs = blobs

    def content(self, place: int) -> bytes:
        return self._blobs[place]


class FileItems(Items):
    """Items that are one file each; a file is read when it is asked for."""

    on_disk = True

    def __init__(self, modality: str, paths: Sequence[Path]) -> None:
        super().__init__(modality, [str(path) for path in paths])
        self._paths = paths

    def content(self, place: int) -> bytes:
        try:
            return self._paths[place].read_bytes()
        except OSError as error:
            raise DataError(f"{self._paths[place]}: cannot be read ({error.strerror}).") from error


class PixelItems(Items):
    """Images that lie on disk as raw pixels, uint8 (n, height, width, 3)."""

    def __init__(self, names: Sequence[str], pixels: np.ndarray) -> None:
        super().__init__("image", names)
        self._pixels = pixels

    def content(self, place: int) -> bytes:
        """A header in words, then the bytes of the pixels."""
        picture = np.ascontiguousarray(self._pixels[place])
        return b"pixels %d x %d\n" % picture.shape[:2] + picture.tobytes()

    def load(self, place: int) -> Any:
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(self._pixels[place]))


class _Taken(Items):
    def __init__(self, whole: Items, places: np.ndarray) -> None:
        super().__init__(whole.modality, [whole.names[place] for place in places])
        self._whole, self._places = whole, places

    def content(self, place: int) -> bytes:
        return self._whole.content(int(self._places[place]))

    def load(self, place: int) -> Any:
        return self._whole.load(int(self._places[place]))

    def check(self, place: int, key: str) -> None:
        self._whole.check(int(self._places[place]), key)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        if "keys" in self._whole.__dict__:
            return tuple(self._whole.keys[place] for place in self._places)
        once = dict.fromkeys(self._places.tolist())  # of a quick look at few items the others are not read, nor one twice
        known = {place: self._whole.key(place) for place in once}
        return tuple(known[place] for place in self._places.tolist())

    def take(self, places: np.ndarray) -> Items:
        return _Taken(self, places) if "keys" in self.__dict__ else _Taken(self._whole, self._places[places])


class Joined(Items):
    """The items of one collection followed by those of another."""

    def __init__(self, first: Items, second: Items) -> None:
        super().__init__(first.modality, [*first.names, *second.names])
        self._parts = (first, second)

    def content(self, place: int) -> bytes:
        first, second = self._parts
        return first.content(place) if place < len(first) else second.content(place - len(first))

    def load(self, place: int) -> Any:
        first, second = self._parts
        return first.load(place) if place < len(first) else second.load(place - len(first))

    def check(self, place: int, key: str) -> None:
        first, second = self._parts
        first.check(place, key) if place < len(first) else second.check(place - len(first), key)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return self._parts[0].keys + self._parts[1].keys


def text_items(texts: Sequence[str], names: Sequence[str]) -> Items:
    """Items of the modality text."""
    return EncodedItems("text", names, [text.encode() for text in texts])


def noise_images(seed: int, count: int) -> Items:
    """`count` times one picture of Gaussian noise about mid-grey, 224 x 224 pixels, drawn by the seed: an image of nothing."""
    noise = np.random.Generator(np.random.PCG64(seed)).normal(127.5, 64, (1, 224, 224, 3))
    picture = PixelItems([f"noise image {seed}"], np.clip(noise, 0, 255).astype(np.uint8))
    return picture.take(np.zeros(count, dtype=np.int64))


class _Quiet:
    """A block in which PIL's warnings about odd EXIF data and palettes are silent, for the pixels are what counts; a picture of
    absurd size is an error. Threads may be in it together: the filters of warnings are one for all, and the last restores them.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        from PIL import Image

        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()


def decode_image(data: bytes) -> Image.Image:
    """A PIL image in mode RGB. Transparent pixels are laid over white and 16-bit grey is scaled to 8 bits; of an animation the
    first frame counts; the EXIF rotation is not applied, as in torchvision.

    Raises ValueError and whatever PIL raises: for a format that is none of FORMATS, for pixels without a known scale (floating
    point, 32 bits), for more than 89 million pixels, and for sides of which one is more than MOST_LONG times the other.
    """
    from PIL import Image

    with _QUIET:
        picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if max(picture.size) > MOST_LONG * min(picture.size):  # resized to the shorter side it would fill the memory
            raise ValueError(f"its sides, {picture.width} x {picture.height} pixels, are too unlike")
        picture.load()
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of PIL's mode {picture.mode!r}, whose scale is not known; save it with 8 or 16 bits")
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # PIL would copy it


def decode_sound(data: bytes) -> Sound:
    """A mono sound, float32 in [-1, 1]; channels are averaged. Raises ValueError for none and for more than MOST_SAMPLES."""
    import soundfile

    about = soundfile.info(io.BytesIO(data))
    if about.frames * about.channels > MOST_SAMPLES:
        raise ValueError(f"{about.frames:,} samples in {about.channels} channels are more than {MOST_SAMPLES:,}")
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    if not len(samples):
        raise ValueError("it holds no samples")
    return Sound(samples=samples.mean(axis=1), rate=int(rate))


DECODERS: dict[str, Callable[[bytes], Any]] = {"image": decode_image, "audio": decode_sound, "text": bytes.decode}
