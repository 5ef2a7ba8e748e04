"""Pictures composed of others when they are asked for: a recipe says which pictures of which packs lie where on the page.

So a probe of hundreds of scenes ships as a table of a few kilobytes, and changes only where its recipe or a picture does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repbench.datasets.items import Items, decode_image
from repbench.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

DARKEST = 0.65  # of a colour, in an object that is painted in it
EDGE = 8  # levels by which a pixel of an object differs from the paper


@dataclass(frozen=True, kw_only=True)
class Part:
    """A picture on the page: its pack and id, where its corner lies, its side in pixels, and the colour it is painted in."""

    pack: str
    id: str
    left: int
    top: int
    side: int
    colour: str = ""  # "#rrggbb"; "": its own


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A square page of `side` pixels, the colour of its paper, and what lies on it, from the bottom up."""

    side: int
    paper: str
    parts: tuple[Part, ...]

    def text(self) -> str:
        """The recipe as JSON: [side, paper, [[pack, id, left, top, side, colour], ...]]."""
        parts = [[part.pack, part.id, part.left, part.top, part.side, part.colour] for part in self.parts]
        return json.dumps([self.side, self.paper, parts], separators=(",", ":"))


def read_recipe(text: str) -> Recipe:
    """The recipe of a JSON text. Raises ValueError."""
    side, paper, parts = json.loads(text)
    names = ("pack", "id", "left", "top", "side", "colour")
    return Recipe(side=side, paper=paper, parts=tuple(Part(**dict(zip(names, part, strict=True))) for part in parts))


class ComposedItems(Items):
    """Images by recipe; `pictures` maps pack and id to encoded pictures. The content is the recipe and its pictures' bytes."""

    def __init__(self, names: Sequence[str], recipes: Sequence[str], pictures: Mapping[tuple[str, str], bytes]) -> None:
        super().__init__("image", names)
        self._recipes, self._pictures = recipes, pictures

    def content(self, place: int) -> bytes:
        parts = self._recipe(place).parts
        return b"\0".join([self._recipes[place].encode(), *(self._picture(part, place) for part in parts)])

    def load(self, place: int) -> Any:
        recipe = self._recipe(place)
        return compose(recipe, [decode_image(self._picture(part, place)) for part in recipe.parts])

    def _recipe(self, place: int) -> Recipe:
        try:
            return read_recipe(self._recipes[place])
        except (ValueError, TypeError) as error:
            raise DataError(f"{self.names[place]}: {self._recipes[place]!r} is no recipe of a picture ({error}).") from error

    def _picture(self, part: Part, place: int) -> bytes:
        try:
            return self._pictures[part.pack, part.id]
        except KeyError:
            raise DataError(f"{self.names[place]}: the pack {part.pack} has no picture {part.id!r}.") from None


def compose(recipe: Recipe, pictures: Sequence[Image.Image]) -> Image.Image:
    """The page (RGB) with `pictures`, one a part, each fitted into its square (Lanczos) and painted where its part says so."""
    from PIL import Image, ImageColor, ImageOps

    page = Image.new("RGB", (recipe.side, recipe.side), recipe.paper)
    for part, picture in zip(recipe.parts, pictures, strict=True):
        fitted = picture
        if picture.size != (part.side, part.side):
            fitted = ImageOps.pad(picture, (part.side, part.side), Image.Resampling.LANCZOS, color=recipe.paper)
        if part.colour:
            fitted = painted(fitted, ImageColor.getrgb(part.colour)[:3], ImageColor.getrgb(recipe.paper)[:3])
        page.paste(fitted, (part.left, part.top))
    return page


def painted(picture: Image.Image, colour: Sequence[int], paper: Sequence[int]) -> Image.Image:
    """An object on paper, painted: each pixel that is no paper takes the colour, from its darkest to its full shade.

    The shade follows the pixel's lightness, spread from the object's 2nd to its 98th percentile, so that black and white
    objects take on the colour too.
    """
    from PIL import Image

    pixels = np.asarray(picture, dtype=np.float64)
    away = object_of(pixels, paper)
    if not away.any():
        return picture
    lightness = pixels @ (0.299, 0.587, 0.114)
    low, high = np.percentile(lightness[away], [2, 98])
    share = np.clip((lightness - low) / max(high - low, 1.0), 0, 1)
    shade = (DARKEST + (1 - DARKEST) * share)[:, :, None] * np.asarray(colour, dtype=np.float64)
    return Image.fromarray(np.where(away[:, :, None], shade, pixels).round().astype(np.uint8))


def object_of(pixels: np.ndarray, paper: Sequence[int]) -> np.ndarray:
    """Which pixels (height, width, 3) are no paper, bool (height, width)."""
    found: np.ndarray = np.abs(np.asarray(pixels, dtype=np.float64) - np.asarray(paper, dtype=np.float64)).max(axis=2) > EDGE
    return found
