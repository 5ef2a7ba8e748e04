"""Which models the furniture pack shows: the catalogues of the Sweet Home 3D libraries, and a choice from them by eye.

The choice is written out rather than derived from names: the catalogue calls three kinds of thing "chair" and splits one
kind over "sofa" and "couch". A model is named by its folder, for example `katorlegaz/bar-stool`. Left out were classes that
cannot be told apart by looking (desk and table, wardrobe and cabinet), models that differ from a chosen one in colour or in
one part only, bodies of revolution without any front (vases, bottles; some lamps and trash cans are left, and the pack's
column `turn_change` tells them), and models with concave polygons, which the mesh reader would fill.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from packs.meshes import Mesh, load_mesh

LICENCES = {  # library -> SPDX identifier, as the package's copyright file says
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}

_C0, _BY, _KL, _RE, _SC = "blendswap-cc-0", "blendswap-cc-by", "katorlegaz", "reallusion", "scopia"

CHOICE: dict[str, tuple[str, ...]] = {
    "animal": (
        f"{_C0}/horse2", f"{_BY}/bulldog", f"{_BY}/siameseCat", f"{_SC}/cat", f"{_SC}/dog", f"{_SC}/rabbit",
    ),
    "armchair": (
        f"{_C0}/armchair2", f"{_C0}/winchesterArmchair", f"{_BY}/armchair1", f"{_BY}/fotel",
        f"{_KL}/mid-century-chair", f"{_SC}/armchair2",
    ),
    "bed": (
        f"{_C0}/bed1", f"{_C0}/bedWithTexture", f"{_BY}/juniorBed", f"{_BY}/lettoCloud", f"{_SC}/bed1",
        f"{_SC}/iron_bed",
    ),
    "bench": (
        f"{_C0}/bench", f"{_KL}/concrete-bench", f"{_KL}/painted-bench", f"{_KL}/bench", f"{_SC}/littlebank",
        f"{_SC}/wood_bank",
    ),
    "bookcase": (
        f"{_C0}/bookcase", f"{_C0}/verticalShelves", f"{_BY}/bookcase", f"{_KL}/utility-shelving",
        f"{_KL}/full-bookcase", f"{_SC}/kids_shelves",
    ),
    "cabinet": (
        f"{_C0}/drawersCabinet", f"{_BY}/kitchenIsland", f"{_BY}/kitchenLowerCabinet", f"{_BY}/chest",
        f"{_BY}/dresserWithDrawers", f"{_KL}/filing-cabinet",
    ),
    "car": (
        f"{_BY}/fordFocus", f"{_KL}/concept-sedan-02", f"{_KL}/VW-new-beetle", f"{_SC}/peugeot-308",
        f"{_SC}/renault-scenic", f"{_SC}/chevrolet",
    ),
    "chair": (
        f"{_C0}/plasticChair", f"{_C0}/antiqueChair", f"{_C0}/chair2", f"{_BY}/ella_chair_f", f"{_BY}/plaidChair",
        f"{_SC}/chair3",
    ),
    "door": (
        f"{_KL}/exterior-door-01", f"{_KL}/exterior-door-03", f"{_KL}/exterior-door-05", f"{_SC}/puerta",
        f"{_SC}/door", f"{_SC}/double_door",
    ),
    "lamp": (
        f"{_BY}/lamp", f"{_KL}/pedestal-vase-lamp", f"{_SC}/desk_lamp1", f"{_SC}/desk_lamp2", f"{_SC}/little_lamp1",
        f"{_SC}/table_lamp",
    ),
    "lounger": (
        f"{_C0}/relaxChair", f"{_C0}/deckChair", f"{_BY}/chair_deck", f"{_BY}/poolLounge", f"{_SC}/beach_chair",
    ),
    "outlet": (
        f"{_BY}/wallDoubleSocket", f"{_BY}/wallSocket", f"{_SC}/rounded-plug-TypeE", f"{_SC}/square-plug-TypeB",
        f"{_SC}/square-plug-TypeCFlat", f"{_SC}/plug-TypeG-whites",
    ),
    "oven": (
        f"{_C0}/doubleOven", f"{_C0}/oven", f"{_BY}/largeStove", f"{_BY}/microwave", f"{_KL}/propane-stove",
        f"{_SC}/small-oven",
    ),
    "person": (
        f"{_KL}/male-01-suit", f"{_RE}/female01", f"{_RE}/female02", f"{_RE}/male01", f"{_RE}/male03",
        f"{_RE}/girlStanding",
    ),
    "plant": (
        f"{_C0}/littlePlant", f"{_C0}/cactus", f"{_BY}/spatifilum", f"{_BY}/decorativePlant", f"{_BY}/succulentPlant",
        f"{_SC}/ficus",
    ),
    "radiator": (
        f"{_C0}/radiator1", f"{_C0}/radiator2", f"{_C0}/radiator", f"{_C0}/radiator3", f"{_BY}/bathroomRadiator",
        f"{_BY}/modernRadiator",
    ),
    "shoes": (
        f"{_C0}/slippers", f"{_C0}/bootie", f"{_SC}/sneakers", f"{_SC}/mocassin", f"{_SC}/woman_shoes",
    ),
    "sofa": (
        f"{_C0}/couch", f"{_C0}/winchesterSofa", f"{_BY}/couch3", f"{_KL}/mid-century-bench-sofa",
        f"{_SC}/simple_sofa", f"{_SC}/beige_sofa",
    ),
    "stool": (
        f"{_C0}/silla2", f"{_C0}/stool", f"{_C0}/stool2", f"{_BY}/green_stool", f"{_KL}/bar-stool",
        f"{_SC}/kitchen_stool",
    ),
    "table": (
        f"{_C0}/oakTable", f"{_C0}/table", f"{_KL}/glass-dining-table", f"{_SC}/black_table", f"{_SC}/table3",
        f"{_SC}/table4",
    ),
    "trash can": (
        f"{_C0}/dustbin", f"{_KL}/park-trashcan", f"{_KL}/residential-trashcan", f"{_KL}/bullet-trash-can",
        f"{_KL}/recycling-bin",
    ),
    "tree": (
        f"{_SC}/ficusTree", f"{_SC}/coconutTree", f"{_SC}/japaneseMaple", f"{_SC}/peachBlossom",
        f"{_SC}/bluePineSnow", f"{_SC}/sycamoreMaple",
    ),
    "washbasin": (
        f"{_C0}/washbasin", f"{_BY}/washbasin_jay_hardy", f"{_SC}/bathroom3", f"{_SC}/bathroom4",
        f"{_SC}/small_lavatory", f"{_SC}/bathroom_vanity",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """One entry of a catalogue."""

    ident: str
    name: str
    author: str
    licence: str
    sh3f: Path  # the library, a zip
    path: str  # of the OBJ file in the library
    size: tuple[float, float, float]  # width, height, depth in cm
    rotation: tuple[float, ...]  # 3 x 3 by rows, brings the file's axes to: x right, y up, z out of the front

    def mesh(self) -> Mesh:
        """The model as the catalogue shows it: turned, and stretched to its stated size."""
        with ZipFile(self.sh3f) as archive:
            mesh = load_mesh(archive, self.path)
        turned = mesh.vertices @ np.array(self.rotation).reshape(3, 3).T
        used = turned[np.unique(mesh.faces)]  # some files hold vertices that no face has
        scale = np.array(self.size) / np.maximum(np.ptp(used, axis=0), 1e-9)
        return replace(mesh, vertices=(turned - used.min(0)) * scale)


def catalogue(folder: Path) -> dict[str, Model]:
    """Every model of the libraries (.sh3f files) in a folder, by ident; of two in one folder the first counts."""
    models: dict[str, Model] = {}
    for library in sorted(folder.glob("*.sh3f")):
        for model in _read(library):
            models.setdefault(model.ident, model)
    return models


def _read(library: Path) -> Iterator[Model]:
    """The entries of one library, in the order of their numbers."""
    with ZipFile(library) as archive:
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin1").replace("\r", "")
    fields = dict(re.findall(r"^(\w+#\d+)=(.*)$", text, re.M))  # an empty value ends at the end of its line
    for number in sorted(int(key.partition("#")[2]) for key in fields if key.startswith("model#")):
        path = fields[f"model#{number}"].lstrip("/")
        width, height, depth = (float(fields[f"{side}#{number}"]) for side in ("width", "height", "depth"))
        rotation = fields.get(f"modelRotation#{number}") or "1 0 0 0 1 0 0 0 1"
        yield Model(
            ident=path.rpartition("/")[0],
            name=fields[f"name#{number}"],
            author=fields[f"creator#{number}"],
            licence=LICENCES[library.stem],
            sh3f=library,
            path=path,
            size=(width, height, depth),
            rotation=tuple(float(part) for part in rotation.split()),
        )
