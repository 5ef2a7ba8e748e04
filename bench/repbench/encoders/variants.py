"""One encoder at several features: its layers, poolings and projection, each a row of the board of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, check_encoder, load_encoder
from repbench.encoders.spec import parse_spec
from repbench.errors import EncoderError, UsageError

OWN = "own"  # the feature that the encoder gives when nothing is said
CHOICES = {  # word -> the options that may say it, tried in turn; any other word is a layer
    OWN: ("",),
    "cls": ("pool=cls",),
    "mean": ("pool=avg",),
    "max": ("pool=max",),
    "projection": ("feature=projection", "features=projection"),
    "backbone": ("features=backbone", "feature=encoder"),
}


@dataclass(frozen=True, kw_only=True)
class Variants:
    """The encoders of one spec, named `NAME[FEATURE]`, and the features that it lacks, with the reason."""

    encoders: tuple[Encoder, ...]
    lacking: dict[str, str]


def feature_words(text: str | Sequence[str]) -> tuple[str, ...]:
    """The features of a text that separates them by commas. Raises UsageError for none and for one that is named twice."""
    words = [word.strip() for word in (text.split(",") if isinstance(text, str) else text) if word.strip()]
    if not words:
        raise UsageError("no feature is named; write layers and poolings: layer3,layer4,mean.")
    if twice := [word for word in dict.fromkeys(words) if words.count(word) > 1]:
        raise UsageError(f"the feature {twice[0]!r} is named twice.")
    return tuple(words)


def load_variants(spec: str, features: Sequence[str], load: LoadOptions) -> Variants:
    """The encoder of a spec at each of the features that it has. Raises UsageError, or EncoderError where it has none."""
    check_encoder(spec, load)
    name = parse_spec(spec).name
    found: list[Encoder] = []
    lacking: dict[str, str] = {}
    seen: dict[str, str] = {}
    for feature in features:
        try:
            encoder = _at(spec, feature, load)
        except (EncoderError, UsageError) as error:
            lacking[feature] = str(error)
            continue
        if (twin := seen.setdefault(encoder.fingerprint, feature)) != feature:
            lacking[feature] = f"it is the same feature as {twin!r}."
            continue
        found.append(replace(encoder, name=f"{name}[{feature}]"))
    if not found:
        reasons = "\n".join(f"  {feature}: {reason}" for feature, reason in lacking.items())
        raise EncoderError(f"{spec} has none of the features {', '.join(features)}:\n{reasons}")
    return Variants(encoders=tuple(found), lacking=lacking)


def _at(spec: str, feature: str, load: LoadOptions) -> Encoder:
    """The encoder at one feature: the first of its options that the source knows."""
    options = CHOICES.get(feature, (f"layer={feature}",))
    for option in options[:-1]:
        try:
            return load_encoder(f"{spec},{option}" if option else spec, load)
        except UsageError:  # the source calls it by another name
            continue
    try:
        return load_encoder(f"{spec},{options[-1]}" if options[-1] else spec, load)
    except UsageError as error:
        if len(options) > 1 and "unknown option" in str(error):  # the user named a feature, not our options
            raise UsageError(f"encoders of this kind have no {feature!r} to choose; name a layer, or 'own'.") from error
        raise
