"""Zero-shot end to end against open_clip's own classifier builder: the same tiny models, images and prompts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from open_clip import factory


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    path = Path(__file__).parents[2] / "versus" / "agreement" / "zero_shot.py"
    spec = importlib.util.spec_from_file_location("agreement_zero_shot", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.tiny_clip.register(tmp_path)
    return module


def test_logits_and_accuracy_are_those_of_open_clips_classifier_builder(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main("Tiny", "40") == 0
    assert "Tiny, 40 images" in capsys.readouterr().out


def test_of_a_trained_model_too(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "STEPS", 10)
    assert script.main("tiny", "60") == 0
    assert "Tiny: 10 steps on digits" in capsys.readouterr().out


def test_a_prompt_left_out_is_noticed(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def last_prompt_only(x: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
        last = np.array([np.flatnonzero(label == one)[-1] for one in range(classes)])
        return script.unit_rows(x[last])  # type: ignore[no-any-return]

    monkeypatch.setattr(script, "class_embeddings", last_prompt_only)
    assert script.main("Tiny", "40") == 1
