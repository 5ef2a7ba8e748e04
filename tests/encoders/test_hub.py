"""A machine that cannot reach the hub is told so at once, and still finds what is in the hub's cache."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from repbench.encoders.hub import hub, reachable
from repbench.encoders.load import load_encoder
from repbench.errors import EncoderError


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """A machine that is not told to be offline, and is; every attempt to connect is kept."""
    tried: list[Any] = []

    def refuse(address: Any, timeout: float) -> None:
        tried.append(address)
        raise OSError("no route to host")

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", refuse)
    return tried


@pytest.mark.parametrize("spec", ["timm:test_vit3.r160_in1k", "hf:nobody/nothing", "open_clip:ViT-B-32/laion2b_s34b_b79k"])
def test_weights_of_the_hub_fail_after_one_attempt_to_reach_it(no_network: list[Any], spec: str) -> None:
    with pytest.raises(EncoderError, match=r"huggingface\.co cannot be reached, and the cache .* does not hold the files"):
        load_encoder(spec)
    assert set(no_network) == {("huggingface.co", 443)}
    assert constants.HF_HUB_OFFLINE is False


def test_what_the_cache_holds_is_loaded_all_the_same(no_network: list[Any], tmp_path: Path) -> None:
    folder = tmp_path / "models--nobody--model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("1" * 40)
    (folder / "snapshots" / ("1" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("1" * 40) / "weights.bin").write_text("here")
    with hub():
        found = huggingface_hub.hf_hub_download("nobody/model", "weights.bin", cache_dir=tmp_path)
    assert Path(found).read_text() == "here"


def test_a_user_who_is_offline_by_choice_is_told_of_the_choice(no_network: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="HF_HUB_OFFLINE is set"):
        load_encoder("hf:nobody/nothing")
    assert no_network == []


def test_behind_a_proxy_the_host_itself_is_not_tried(no_network: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert reachable("https://huggingface.co")
    assert no_network == []
