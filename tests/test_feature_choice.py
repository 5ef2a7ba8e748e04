"""`--features`: one row a feature, the same numbers as the feature alone, one decode, and which choice validation makes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import repbench
from repbench.datasets.items import Items
from repbench.encoders.load import LoadOptions
from repbench.encoders.variants import feature_words, load_variants
from repbench.errors import EncoderError, UsageError
from repbench.leaderboard.features import choices

SPEC = "random:resnet18,size=32"


def test_each_feature_is_a_row_with_the_numbers_of_the_feature_alone_and_an_item_is_decoded_once(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    own = Items.load
    monkeypatch.setattr(Items, "load", lambda items, place: loaded.append(items.names[place]) or own(items, place))  # type: ignore[func-returns-value]
    given = {"data": colours / "data", "plugins": [colours / "colours.toml"], "quiet": True}
    table = repbench.evaluate(
        SPEC, "linear-probe/colours,knn/colours", features="layer1,layer4", out=colours / "r", store=colours / "s", **given
    )
    assert set(table.encoder) == {f"{SPEC}[layer1]", f"{SPEC}[layer4]"}
    assert len(loaded) == len(set(loaded)) == 60
    alone = repbench.evaluate(f"{SPEC},layer=layer1", "linear-probe/colours,knn/colours", store=colours / "t", **given)
    together = table[table.encoder == f"{SPEC}[layer1]"]
    assert together["value"].tolist() == alone["value"].tolist()
    found = repbench.read_features(colours / "r")
    assert set(found[found.task == "knn/colours"]["chosen"]) == {False}  # it keeps no validation score
    probes = found[found.task == "linear-probe/colours"]
    assert probes["chosen"].sum() == 1
    assert probes.loc[probes["chosen"], "validation"].item() == probes["validation"].max()


def test_features_that_an_encoder_lacks_are_told_and_twins_are_no_second_row() -> None:
    found = load_variants(SPEC, ("layer3", "layer9", "projection", "own", "mean"), LoadOptions())
    assert [encoder.name for encoder in found.encoders] == [f"{SPEC}[layer3]", f"{SPEC}[own]"]
    assert set(found.lacking) == {"layer9", "projection", "mean"}
    assert "Did you mean" in found.lacking["layer9"]
    assert found.lacking["projection"].startswith("encoders of this kind have no 'projection' to choose")
    assert found.lacking["mean"] == "it is the same feature as 'own'."


def test_an_encoder_without_any_of_them_is_an_error_with_every_reason() -> None:
    with pytest.raises(EncoderError, match=r"(?s)none of the features cls, nowhere.*cls: .*nowhere: "):
        load_variants(SPEC, ("cls", "nowhere"), LoadOptions())


def test_feature_words_are_checked() -> None:
    assert feature_words(" layer3, mean ") == ("layer3", "mean")
    for text in ("", " , ", "mean,mean"):
        with pytest.raises(UsageError):
            feature_words(text)


def test_the_spread_is_best_less_worst_whichever_way_is_better() -> None:
    rows = {"feature": ["a", "b", "c"], "value": [0.2, 0.5, 0.1], "chosen": [True, False, False]}
    for higher, order, spread in ((True, "bac", 0.4), (False, "cab", 0.4)):
        table = pd.DataFrame({**rows, "encoder": "e", "task": "t", "higher_is_better": higher})
        (one,) = choices(table)
        assert list(one.values) == list(order)
        assert one.spread == pytest.approx(spread)
        assert one.chosen == "a"
