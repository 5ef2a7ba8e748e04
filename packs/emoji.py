"""The pack `emoji`: nearly a thousand named things, each drawn in three styles, for classes, captions and style shift."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from packs.common import About, Source, sha256, write_pack
from packs.digits import stratified

SIDE = 64
SMALLEST_SUBCATEGORY = 5  # so that each is in train, val and test
SMALLEST_CLASS = 10  # concepts, so that a class of `subcategory_task` has a few test concepts
SHARES = {"test": 0.25, "val": 0.15}  # the rest is train

# Style -> npm package, version, digest of its archive, folder of the pictures, suffix. Nothing else of the archives is read.
STYLES = {
    "noto": (
        "emoji-datasource-google", "16.0.0", "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        "package/img/google/64/", ".png",
    ),
    "fluent": (
        "@lobehub/fluent-emoji-3d", "1.1.0", "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "package/assets/", ".webp",
    ),
    "twemoji": (
        "emoji-datasource-twitter", "16.0.0", "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
        "package/img/twitter/64/", ".png",
    ),
}  # fmt: skip
# Unicode's subcategories in plain words, where these are more than the same words without the hyphen.
SUBCATEGORIES = {
    "animal-bird": "bird", "animal-bug": "bug", "animal-mammal": "mammal", "animal-marine": "sea animal",
    "animal-reptile": "reptile", "plant-flower": "flower", "plant-other": "plant other than a flower",
    "food-asian": "asian food", "food-fruit": "fruit", "food-prepared": "prepared food", "food-sweet": "sweet food",
    "food-vegetable": "vegetable", "face-affection": "affectionate face", "face-concerned": "concerned face",
    "face-costume": "costumed face", "face-hand": "face with a hand", "face-negative": "negative face",
    "face-neutral-skeptical": "neutral or sceptical face", "face-sleepy": "sleepy face", "face-smiling": "smiling face",
    "face-tongue": "face with a tongue", "face-unwell": "unwell face", "body-parts": "body part", "book-paper": "book or paper",
    "place-building": "building", "place-geographic": "landscape", "place-map": "globe or map", "place-other": "other place",
    "place-religious": "religious building", "transport-air": "air transport", "transport-ground": "ground transport",
    "transport-water": "water transport",
}  # fmt: skip
CREDITS = {
    "noto": ("Noto Emoji v2.048", "Apache-2.0", "Google LLC (pictures); Cal Henderson (emoji-data, names and categories, MIT)"),
    "fluent": ("Fluent Emoji 3D", "MIT", "Microsoft Corporation (pictures); LobeHub (package)"),
    "twemoji": ("Twemoji v16.0.1", "CC-BY-4.0", "Twitter, Inc and other contributors (pictures); Cal Henderson (package)"),
}

ABOUT = About(
    title="Emoji in three drawing styles: names, categories, subcategories",
    sources=tuple(
        Source(
            package=f"{package} {version} (npm), {CREDITS[style][0]}",
            sha256=digest,
            licence=CREDITS[style][1],
            authors=CREDITS[style][2],
        )
        for style, (package, version, digest, _, _) in STYLES.items()
    ),
    derivation=(
        "Kept: emoji of one code point (variation selector aside), so no national flags, keycaps, families, gendered or "
        "skin-tone sequences, that all three styles draw. Left out: the categories Flags and Symbols, the subcategories of "
        "persons and families and whatever has skin-tone variants (persons, hands), the 24 clock faces (one picture but for "
        f"its hands), subcategories of fewer than {SMALLEST_SUBCATEGORY} concepts, and concepts that share their picture with "
        f"another one in some style. Pictures are composited over white and fitted into {SIDE} x {SIDE} pixels (Lanczos; only "
        "Fluent is resized, from 256). Rows follow the Unicode order, three styles a concept: noto, fluent, twemoji. Splits: "
        "within each subcategory the concepts are ordered by the SHA-256 of '0:' + codepoint; the first round(0.25 n) are "
        "test, the next round(0.15 n) val, the others train."
    ),
    columns={
        "id": "code point and style, for example '1f40b-noto'",
        "image": f"WebP, lossless, {SIDE} x {SIDE} pixels, RGB on white",
        "name": "name of the concept, its Unicode name in lower case; one name, three rows",
        "category": "Unicode category, for example 'Animals & Nature'",
        "subcategory": "Unicode subcategory in plain words, for example 'mammal' for animal-mammal",
        "subcategory_task": f"the subcategory if it has at least {SMALLEST_CLASS} concepts, else '': the classes of the "
        "subcategory task",
        "style": "'noto', 'fluent' or 'twemoji'",
        "codepoint": "hexadecimal, lower case, without the variation selector; the key of a concept",
        "split": "'train', 'val' or 'test': about 60/15/25 of each subcategory's concepts; a concept's styles stay together",
        "style_split": "style shift: 'train' = noto and twemoji of all concepts but those whose split is val, 'val' = noto and "
        "twemoji of these, 'test' = fluent of every concept; never ''",
    },
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `emoji.parquet` into `folder` from three npm archives in `downloads`, which are fetched if absent."""
    drawings = {style: _drawings(_archive(style, downloads), *STYLES[style][3:]) for style in STYLES}
    concepts = _unlike([entry for entry in _entries(_archive("noto", downloads)) if _is_kept(entry, drawings)], drawings)
    sizes = Counter(entry["subcategory"] for entry in concepts)
    concepts = [entry for entry in concepts if sizes[entry["subcategory"]] >= SMALLEST_SUBCATEGORY]
    splits = stratified([_codepoint(entry) for entry in concepts], [entry["subcategory"] for entry in concepts], SHARES)
    columns: dict[str, list[str | bytes]] = {name: [] for name in ABOUT.columns}
    for entry, split in zip(concepts, splits, strict=True):
        for style in STYLES:
            is_class = sizes[entry["subcategory"]] >= SMALLEST_CLASS
            for name, value in _row(entry, style, split, is_class).items():
                columns[name].append(value)
            columns["image"].append(_webp(_picture(drawings[style][_key(entry, drawings[style])])))
    return write_pack("emoji", columns, ABOUT, folder)


def _row(entry: Mapping[str, Any], style: str, split: str, is_class: bool) -> dict[str, str]:
    """Everything but the picture."""
    subcategory = SUBCATEGORIES.get(entry["subcategory"], entry["subcategory"].replace("-", " "))
    return {
        "id": f"{_codepoint(entry)}-{style}",
        "name": entry["name"].lower(),
        "category": entry["category"],
        "subcategory": subcategory,
        "subcategory_task": subcategory if is_class else "",
        "style": style,
        "codepoint": _codepoint(entry),
        "split": split,
        "style_split": "test" if style == "fluent" else "val" if split == "val" else "train",
    }


def _is_kept(entry: Mapping[str, Any], drawings: Mapping[str, Mapping[str, bytes]]) -> bool:
    """Whether the rule of the pack (see `ABOUT.derivation`) keeps an emoji, as far as it alone decides."""
    return (
        "-" not in _codepoint(entry)
        and entry["category"] not in ("Flags", "Symbols")
        and not entry["subcategory"].startswith(("person", "family"))
        and "skin_variations" not in entry
        and not entry["name"].startswith("CLOCK FACE")
        and entry["has_img_google"]
        and entry["has_img_twitter"]
        and all(_key(entry, pictures) for pictures in drawings.values())
    )


def _unlike(entries: list[dict[str, Any]], drawings: Mapping[str, Mapping[str, bytes]]) -> list[dict[str, Any]]:
    """The entries without those that share a picture: which of two names a picture deserves cannot be told."""
    pixels = [[(style, _picture(of[_key(entry, of)]).tobytes()) for style, of in drawings.items()] for entry in entries]
    count = Counter(picture for three in pixels for picture in three)
    return [entry for entry, three in zip(entries, pixels, strict=True) if all(count[picture] == 1 for picture in three)]


def _codepoint(entry: Mapping[str, Any]) -> str:
    return str(entry["unified"]).lower().replace("-fe0f", "")


def _key(entry: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The name of an emoji's picture ('' if absent): Fluent leaves out some variation selectors that the others write."""
    stem = str(entry["image"]).removesuffix(".png")
    return next((name for name in (stem, stem.replace("-fe0f", "")) if name in pictures), "")


def _picture(drawing: bytes) -> Image.Image:
    """A drawing over white, in the size of the pack."""
    layer = Image.open(io.BytesIO(drawing)).convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return ImageOps.pad(page.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS, color="white")


def _webp(picture: Image.Image) -> bytes:
    """Lossless WebP bytes. Not `common.webp`: method 6 takes twenty times as long and these drawings come out no smaller."""
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", lossless=True, quality=100, method=4)
    return stream.getvalue()


def _drawings(archive: Path, inner: str, suffix: str) -> dict[str, bytes]:
    """Stem -> encoded picture of one folder of an archive; no other folder is touched."""
    found = {}
    with tarfile.open(archive) as members:
        for member in members:
            if member.name.startswith(inner) and member.name.endswith(suffix) and (stream := members.extractfile(member)):
                found[member.name.removeprefix(inner).removesuffix(suffix)] = stream.read()
    return found


def _entries(archive: Path) -> list[dict[str, Any]]:
    """The table of emoji in Unicode order."""
    with tarfile.open(archive) as members:
        stream = members.extractfile("package/emoji.json")
        if stream is None:
            raise ValueError(f"{archive.name} holds no emoji.json")
        return sorted(json.load(stream), key=lambda entry: entry["sort_order"])


def _archive(style: str, downloads: Path) -> Path:
    """The archive of a style, fetched if absent. Raises ValueError if it is not the pinned one."""
    package, version, digest, _, _ = STYLES[style]
    path = downloads / f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not path.is_file():
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        subprocess.run(command, cwd=downloads, check=True, stdout=subprocess.DEVNULL)
    if sha256(path) != digest:
        raise ValueError(f"{path.name} is not the archive that the pack is made from (its SHA-256 differs).")
    return path
