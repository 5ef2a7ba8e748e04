"""What `make reference` asks: methods beside the twins that they must beat, on which data, and with which schedule.

The small schedule is what docs/reference-results.md shows: minutes of one core a run. `--scale full` leaves it away and trains
with each method's defaults, as docs/training.md describes them.
"""

from __future__ import annotations

from dataclasses import replace

from parts import READ
from poses import heavier, poses
from questions import Measure, Question, Row
from spoken import NAME, SOURCE, write_words
from views import NUMBERS, TASKS, VIEWS, write_views


def _cifar10() -> Question:
    """Every method that reads images alone, on natural images, where invariance pays."""
    tiny = {"arch": "small:half-resnet", "size": 32, "batch_size": 64, "steps": 400}
    vit = {"size": 32, "batch_size": 64, "steps": 400}
    methods = ("simclr", "vicreg", "alignment-uniformity", "barlow-twins", "byol", "dino", "supervised")
    rows = [Row(label=method, method=method, dataset="cifar10", settings=tiny) for method in methods]
    twin = rows[0].untrained("random-half-resnet")
    mae = Row(label="mae", method="mae", dataset="cifar10", settings=vit)
    cpc = Row(label="cpc-image", method="cpc-image", dataset="cifar10", settings=vit)
    pairs = [(row, twin) for row in rows]
    pairs += [(mae, mae.untrained("random-vit")), (cpc, cpc.untrained("random-patches"))]
    return Question(
        key="cifar10",
        title="On natural images, does each method beat its untrained twin?",
        pairs=tuple(pairs),
        measures=(Measure(task="linear-probe/cifar10"), Measure(task="knn/cifar10")),
        before="Each method is trained on 6,000 images of CIFAR-10 at 32 pixels (of a copy that was compressed again as "
        "JPEG), probed on the same 6,000 and tested on 6,000 test images. `supervised` is the twin that has seen the labels.",
        after="400 steps are four passes over these images. Our reading of BYOL and DINO, untested: they follow an average of "
        "themselves, which has hardly left the random start by then.",
        limit=6000,
        folder="cifar10",
    )


def _fashion() -> Question:
    tiny = {"arch": "small:half-resnet", "size": 32, "batch_size": 64, "steps": 600}
    plain = {"strength": 0.0, "grey": 0.0, "smallest": 0.5}
    rows = {
        method: Row(label=method, method=method, dataset="fashion", settings=tiny, options=plain)
        for method in ("simclr", "vicreg", "alignment-uniformity", "barlow-twins", "byol", "dino")
    }
    rows["supervised"] = Row(label="supervised", method="supervised", dataset="fashion", settings=tiny)
    twin = rows["simclr"].untrained("random-half-resnet")
    vit = {"size": 16, "batch_size": 64, "steps": 600}
    mae = Row(label="mae", method="mae", dataset="fashion", settings=vit)
    cpc = Row(label="cpc-image", method="cpc-image", dataset="fashion", settings=vit, options={"rows": 2})
    last = {name: rows.pop(name) for name in ("byol", "dino")}  # they cost the most
    pairs = [(row, twin) for row in rows.values()]
    pairs += [(mae, mae.untrained("random-vit")), (cpc, cpc.untrained("random-patches"))]
    pairs += [(row, twin) for row in last.values()]
    return Question(
        key="fashion",
        title="Does each method beat its untrained twin?",
        pairs=tuple(pairs),
        measures=(Measure(task="linear-probe/fashion"), Measure(task="knn/fashion")),
        before="Each method is trained on the 1,500 images of `fashion` and compared with the same network before the first "
        "step. `supervised` is the twin that has seen the labels.",
        after="In longer single runs SimCLR's probe is 3.5 points above its twin after 920 steps and its kNN level with it "
        "([training.md](training.md)). Our reading, untested: a random network keeps the pixels, kNN of centred grey clothes "
        "lives on them, and two views first take them away.",
    )


def _digits() -> Question:
    """The methods that compare two views, on small images where a crop and a change of colour leave the class."""
    tiny = {"arch": "small:half-resnet", "size": 32, "batch_size": 64, "steps": 1200}
    methods = ("simclr", "vicreg", "alignment-uniformity", "barlow-twins", "byol", "dino")
    rows = [Row(label=one, method=one, dataset="digits", settings=tiny, options={"flip": 0.0}) for one in methods]
    twin = rows[0].untrained("random-half-resnet")
    return Question(
        key="digits",
        title="And on small images that ship with repbench?",
        pairs=tuple((row, twin) for row in rows),
        measures=(Measure(task="linear-probe/digits"), Measure(task="knn/digits")),
        before="The methods that compare two views, on `digits`: 8 by 8 pixels, with crops, changes of colour and no flips. "
        "`mae` and `cpc-image` are asked of `fashion` below.",
    )


def _speakers() -> Question:
    cpc = Row(label="cpc-audio", method="cpc-audio", dataset="speakers", settings={"epochs": 60})
    return Question(
        key="speakers",
        title="Does CPC beat MFCC and its untrained twin for speakers?",
        pairs=((cpc, cpc.untrained("random-cpc")), (cpc, Row(label="mfcc", spec="control:mfcc"))),
        measures=(Measure(task="linear-probe/speakers"), Measure(task="knn/speakers")),
        before="Trained on the 258 prompts of `speakers` (five voices), tested on 108 others.",
        after="Five voices are too easy to part CPC and MFCC: MFCC misses a few of 108. The next table asks again.",
    )


def _unheard() -> Question:
    settings = {"epochs": 16}
    cpc = Row(label="cpc-audio", method="cpc-audio", dataset=NAME, settings=settings)
    others = [Row(label=one, spec=f"control:{one}") for one in ("mfcc", "log-mel")]
    return Question(
        key="unheard",
        title="And where each speaker says words that were never heard?",
        pairs=((cpc, cpc.untrained("random-cpc")), *((cpc, one) for one in others)),
        measures=(Measure(task=f"linear-probe/{NAME}"), Measure(task=f"knn/{NAME}")),
        before="Six speakers of the Free Spoken Digits, fifty times each digit. CPC is trained, without the speakers, and "
        "probed on the digits 0 to 5 (1,800 sounds), and tested on 900 of the digits 7, 8 and 9.",
        after="CPC is ahead of MFCC in both, surely so in kNN. The mean log-mel spectrum, which holds a "
        "voice's timbre, stays ahead of CPC in the probe.",
        folder=SOURCE,
        plugins=(TASKS,),
        made=write_words,
    )


def _captions(dataset: str, caption: str, before: str) -> Question:
    towers = {"image": "packaged:efficientnet-lite0,size=64", "text": "packaged:minilm", "caption": caption}
    lit = Row(label="lit", method="clip", dataset=dataset, settings={"epochs": 60}, always=towers)
    return Question(
        key=f"captions-{dataset}",
        title=f"Does CLIP with locked towers find the images of `{dataset}` by words?",
        pairs=((lit, Row(label="guessing", spec="control:random")),),
        measures=(Measure(task=f"retrieval/{dataset}"), Measure(task=f"zero-shot/{dataset}")),
        before=before,
    )


def _content_and_style() -> Question:
    """SimCLR whose views are two poses of one object, beside SimCLR of two views of one render, and no training."""
    tiny = {"arch": "small:half-resnet", "size": 32, "batch_size": 64, "steps": 600}
    plain = {"strength": 0.0, "grey": 0.0, "smallest": 0.5}
    views = Row(label="simclr-views", method="simclr", dataset="furniture", settings=tiny, options=plain)
    told = replace(views, label="simclr-poses", always={"pairs": "instance"})
    twin = views.untrained("random-half-resnet")
    return Question(
        key="content-style",
        title="Does SimCLR keep what two views share, and drop what changes between them?",
        pairs=((told, twin), (told, views), (views, twin)),
        measures=tuple(Measure(task="identifiability/furniture", part=part) for part in ("content", "style")),
        before="`simclr-views` sees two crops of one render, `simclr-poses` two renders of one object: azimuth, elevation and "
        "light change between them, object and class do not. Content is the mean over class and object, style over azimuth, "
        "elevation and light, of R² or of (accuracy - chance) / (1 - chance), read by kernel ridge.",
        after="Content is read several times as well as style from all three. The random network knows little of style, so "
        "there is little to drop: what training changes is content, most where the pose is what the views do not share.",
    )


def _spaces() -> Question:
    """Each space of style-retaining SSL beside the invariant one, and beside the same space before the first step."""
    tiny = {"arch": "small:half-resnet", "size": 32, "batch_size": 64, "steps": 600}
    base = Row(label="style-retaining", method="style-retaining", dataset="furniture", settings=tiny)
    rows = {space: replace(base, label=f"{base.label}-{space}", space=space) for space in ("invariant", *NUMBERS)}
    twins = {space: row.untrained(f"random-spaces-{space}") for space, row in rows.items()}
    task = f"identifiability/{VIEWS}"
    own = [Measure(task=task, part=f"{READ}{', '.join(NUMBERS[one])}", of=(rows[one].label,)) for one in NUMBERS]
    return Question(
        key="spaces",
        title="Does each space of style-retaining SSL keep its augmentation, and the invariant one none?",
        pairs=(
            *((rows[one], rows["invariant"]) for one in NUMBERS),
            *((rows[one], twins[one]) for one in NUMBERS),
            (rows["invariant"], twins["invariant"]),
        ),
        measures=(*own, Measure(task=task, part=f"{READ}class", of=(rows["invariant"].label,))),
        before="Trained on `furniture`, and asked of one view of each render, whose crop, colours and turn were drawn by a "
        "seed and written down. Read by kernel ridge, for 23 objects that no training showed: the mean R² of the numbers that "
        "decide an augmentation, and of the class (accuracy - chance) / (1 - chance).",
        after="Of each augmentation its own space tells most, and the others hardly more than the invariant space does, "
        "mostly less. The invariant space drops turn and half of what an untrained network tells of colours, and keeps what "
        "that tells of crops. No space tells hue or saturation of these renders, an untrained one neither: colour is the mean "
        "of four, in the colour space 84 of light and 25 of contrast. The turn of an unknown object is hard: over 23 its gain "
        "is not sure. A turn leaves black corners, which tell something of turn and crop by themselves.",
        plugins=(TASKS,),
        made=write_views,
        beside=(*rows.values(), *twins.values()),
    )


def _words() -> tuple[Question, Question]:
    """CLIP and BLIP with towers of their own, on what one sees and is called; and BLIP's three scorers beside each other."""
    clip = Row(label="clip", method="clip", dataset="emoji", settings={"epochs": 20})
    blip = Row(label="blip", method="blip", dataset="emoji", settings={"steps": 264})
    guessing = Row(label="guessing", spec="control:random")
    probe = "compositional/emoji-captions"
    return (
        Question(
            key="words",
            title="Do CLIP and BLIP with towers of their own find words for images?",
            pairs=((clip, guessing), (blip, guessing)),
            measures=(Measure(task="zero-shot/emoji"), Measure(task=probe)),
            before="Both towers start from nothing and see 1,437 drawings with their names. `zero-shot` asks for 37 "
            "subcategories of things never seen; the probe for pictures of two or three things, where training showed one at a "
            "time.",
        ),
        Question(
            key="scorers",
            title="Do BLIP's matching head and its captioner tell more than its dot product?",
            pairs=((blip, blip),),
            measures=_beside_the_dot_product("emoji-captions"),
            before="The same network is method and twin: it judges the same pairs by its matching head (itm) or by the "
            "captioner's log p(text given image), debiased (lm), and by the dot product of its two projections.",
            after="264 steps are twelve passes, over names of single things: no scene, and no two captions of the same words.",
        ),
    )


def _scenes() -> tuple[Question, Question]:
    """CLIP and BLIP trained on composed scenes: their dot products by kind of negative, and BLIP's other scorers."""
    whole = {"caption": "caption", "flip": 0.0, "strength": 0.0, "smallest": 0.8}  # side, colour and place are in the captions
    settings = {"arch": "small:resnet", "size": 64, "steps": 1520}
    blip = Row(label="blip-scenes", method="blip", dataset="emoji-scenes", settings=settings, always=whole)
    clip = replace(blip, label="clip-scenes", method="clip", settings={**settings, "steps": 760})
    guessing = Row(label="guessing", spec="control:random")
    kinds = ("replace-object", "replace-attribute", "replace-relation", "swap-attribute", "swap-object")
    probe = "compositional/emoji-captions"
    parts = ("accuracy:swap-attribute", "accuracy:swap-object")
    return (
        Question(
            key="bag-of-words",
            title="Does a dot product of two towers know more than which words are true?",
            after="`guessing` is one draw of random embeddings, by which the tests go; chance is 50, of `emoji-pairs` 16.7.",
            pairs=((clip, guessing), (blip, guessing)),
            measures=(
                *(Measure(task=probe, part=f"accuracy:{kind}") for kind in kinds),
                Measure(task="compositional/emoji-pairs"),
            ),
            before="Trained on the 4,900 scenes of `emoji-scenes`, of the same things as the probes, and asked of scenes that "
            "no training showed. A negative says another word (replace) or the same words in other places (swap, and all of "
            "`emoji-pairs`, where chance is 16.7).",
        ),
        Question(
            key="scenes",
            title="And do BLIP's matching head and captioner, once scenes were shown?",
            pairs=((blip, blip),),
            measures=(
                *_beside_the_dot_product("emoji-captions"),
                *(one for part in parts for one in _beside_the_dot_product("emoji-captions", part)),
                *_beside_the_dot_product("emoji-pairs"),
            ),
            before="The scorers of `blip-scenes` above, beside its own dot product.",
        ),
    )


def _beside_the_dot_product(probe: str, part: str = "") -> tuple[Measure, ...]:
    return tuple(
        Measure(task=f"compositional-{one}/{probe}", part=part, twin_task=f"compositional/{probe}") for one in ("itm", "lm")
    )


QUESTIONS = (
    _cifar10(),
    _digits(),
    _speakers(),
    _unheard(),
    _captions(
        "stamps", "caption", "Trained on 466 stamps with their captions, tested on 190 others; guessing finds one in 190."
    ),
    _captions("emoji", "name", "Trained on 1,437 drawings with their names, tested on 600 drawings of other concepts."),
    *poses(),
    heavier(),
    _content_and_style(),
    _spaces(),
    _fashion(),
    *_words(),
    *_scenes(),
)

ELSEWHERE = """Described elsewhere: CIFAR-10 in full, with one seed ([transfer.md](transfer.md));
single runs at the methods' own lengths, and Lie-SimCLR beside SimCLR on a split by pose ([training.md](training.md));
content and style in the simulation of von Kuegelgen et al. ([identifiability.md](identifiability.md))."""
