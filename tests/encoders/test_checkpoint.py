"""Checkpoints in the layouts that methods really write, read back: the embedding is that of the network that was saved."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from repbench.encoder import Encoder
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError
from repbench.run.report import load_lines

State = dict[str, Tensor]
RESNET, VIT = "timm:test_resnet", "timm:test_vit"


def network(architecture: str, seed: int = 1) -> nn.Module:
    """A network with its head, whose statistics of batches are not at their start values."""
    torch.manual_seed(seed)
    built = timm.create_model(architecture.removeprefix("timm:"), num_classes=7)
    for name, value in built.state_dict().items():
        if name.endswith(("running_mean", "bn1.weight", "norm.weight")):
            value.normal_()
    return built.eval()


def feature(built: nn.Module, size: int = 160) -> Tensor:
    """The reference: timm's own pooled feature of the dummy image, prepared as the protocol for checkpoints says."""
    data = {"input_size": (3, size, size), "interpolation": "bicubic", "crop_pct": 1.0}
    data |= {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    pixels = timm.data.create_transform(**data, is_training=False)(dummy_image())
    with torch.no_grad():
        return built.forward_head(built.forward_features(pixels[None]), pre_logits=True)


def embed(encoder: Encoder) -> Tensor:
    tower = encoder.towers["image"]
    with torch.no_grad():
        return tower.module(tower.prepare(dummy_image())[None])


def behind(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def body(state: State) -> State:
    return {name: value for name, value in state.items() if not name.startswith(("fc.", "head."))}


def other(architecture: str) -> State:
    """The weights of a second network of the same shape, which must not be taken."""
    return body(network(architecture, seed=2).state_dict())


def numbered(built: nn.Module) -> State:
    return nn.Sequential(*list(built.children())[:-1]).state_dict()


HEADS = {"projector.0.weight": torch.zeros(4, 4), "classifier.weight": torch.zeros(7, 4)}
LAYOUTS: dict[str, Callable[[nn.Module, str], Any]] = {
    "plain": lambda n, _: n.state_dict(),
    "moco v1, v2, pcl": lambda n, a: {
        "epoch": 3,
        "arch": "resnet",
        "state_dict": {
            **behind("module.encoder_k.", other(a)),
            **behind("module.encoder_q.", n.state_dict()),
            "module.queue": torch.zeros(4, 9),
            "module.queue_ptr": torch.zeros(1),
        },
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
    },
    "moco v3": lambda n, a: {
        "state_dict": {
            **behind("module.momentum_encoder.", other(a)),
            **behind("module.base_encoder.", body(n.state_dict())),
            "module.base_encoder.head.0.weight": torch.zeros(3, 3),
            "module.predictor.0.weight": torch.zeros(3, 3),
        }
    },
    "simclr, spijkervet": lambda n, _: {**behind("encoder.", body(n.state_dict())), **HEADS},
    "vissl": lambda n, _: {
        "phase_idx": 1,
        "classy_state_dict": {
            "base_model": {
                "model": {"trunk": behind("_feature_blocks.", body(n.state_dict())), "heads": HEADS},
                "meta": {"tag": "x"},
            },
            "train": True,
        },
    },
    "vissl, converted": lambda n, _: {"model_state_dict": behind("_feature_blocks.", body(n.state_dict()))},
    "swav": lambda n, _: behind(
        "module.",
        {**body(n.state_dict()), "projection_head.0.weight": torch.zeros(2, 2), "prototypes.weight": torch.zeros(2, 2)},
    ),
    "barlow twins, vicreg": lambda n, _: {
        "epoch": 1,
        "model": {**behind("module.backbone.", body(n.state_dict())), "module.projector.0.weight": torch.zeros(2, 2)},
        "optimizer": {},
    },
    "pycontrast": lambda n, _: {"opt": argparse.Namespace(lr=1), "model": behind("module.encoder.", body(n.state_dict()))},
    "dino, full": lambda n, a: {
        "student": {**behind("module.backbone.", other(a)), "module.head.mlp.0.weight": torch.zeros(2, 2)},
        "teacher": {**behind("backbone.", body(n.state_dict())), "head.mlp.0.weight": torch.zeros(2, 2)},
        "epoch": 3,
        "args": argparse.Namespace(arch="vit_small", lr=0.1),
        "dino_loss": {"center": torch.zeros(1, 4)},
    },
    "dinov2": lambda n, _: {
        "teacher": {**behind("backbone.", body(n.state_dict())), "dino_head.mlp.0.weight": torch.zeros(2, 2)}
    },
    "mae": lambda n, _: {
        "model": {
            **body(n.state_dict()),
            "mask_token": torch.zeros(1, 1, 4),
            "decoder_embed.weight": torch.zeros(2, 2),
            **behind("decoder_", {k: v[:1] for k, v in body(n.state_dict()).items() if k.startswith("blocks.")}),
        },
        "args": argparse.Namespace(model="mae"),
    },
    "solo-learn": lambda n, a: {
        "pytorch-lightning_version": "2.0",
        "state_dict": {
            **behind("momentum_backbone.", other(a)),
            **behind("backbone.", body(n.state_dict())),
            **HEADS,
            "momentum_projector.0.weight": torch.zeros(2, 2),
        },
    },
    "lightly, numbered": lambda n, _: {"state_dict": {**behind("backbone.", numbered(n)), **behind("projection_head.", HEADS)}},
    "lightly, student and teacher": lambda n, a: {
        "state_dict": {**behind("student_backbone.", other(a)), **behind("teacher_backbone.", body(n.state_dict()))}
    },
    "lightly, wrapped": lambda n, _: {"state_dict": behind("backbone.vit.", n.state_dict())},
    "compiled": lambda n, _: {"model": behind("_orig_mod.", n.state_dict())},
    "distributed and compiled": lambda n, _: {"model": behind("module._orig_mod.", n.state_dict())},
    "exponential average": lambda n, a: {"state_dict": {**other(a), **HEADS}, "state_dict_ema": n.state_dict()},
    "byol": lambda n, a: {
        **behind("target_encoder.net.", other(a)),
        **behind("online_encoder.net.", body(n.state_dict())),
    },
}


@pytest.mark.parametrize(
    ("layout", "architecture"),
    [(layout, kind) for layout in LAYOUTS for kind in (RESNET, VIT) if (layout, kind) != ("lightly, numbered", VIT)],
)
def test_the_embedding_is_that_of_the_saved_network(tmp_path: Path, layout: str, architecture: str) -> None:
    built = network(architecture)
    file = tmp_path / "checkpoint.pth.tar"
    torch.save(LAYOUTS[layout](built, architecture), file)
    encoder = load_encoder(f"{file},arch={architecture}")
    torch.testing.assert_close(embed(encoder), feature(built), rtol=1e-5, atol=1e-5)
    report = encoder.load_report
    assert report is not None
    assert report.share_of_tensors == report.share_of_parameters == 1
    assert report.missing == report.wrong_shape == report.unexpected == ()


@pytest.mark.parametrize("writer", ["safetensors", "legacy", "bin"])
def test_every_file_format_gives_the_same_embedding(tmp_path: Path, writer: str) -> None:
    built = network(RESNET)
    file = tmp_path / ("weights.safetensors" if writer == "safetensors" else "weights.bin")
    if writer == "safetensors":
        save_file(built.state_dict(), file)
    else:
        torch.save(built.state_dict(), file, _use_new_zipfile_serialization=writer == "bin")
    torch.testing.assert_close(embed(load_encoder(f"{file},arch={RESNET}")), feature(built), rtol=1e-5, atol=1e-5)


def test_torchvision_and_timm_read_the_same_resnet(tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pt"
    built = network("timm:resnet18")
    torch.save(built.state_dict(), file)
    towers = [load_encoder(f"{file},arch={family}:resnet18") for family in ("timm", "torchvision")]
    torch.testing.assert_close(embed(towers[0]), embed(towers[1]))
    torch.testing.assert_close(embed(towers[0]), feature(built, 224), rtol=1e-5, atol=1e-5)


def test_the_architecture_may_come_from_the_command_line(tmp_path: Path) -> None:
    built = network(RESNET)
    torch.save(built.state_dict(), tmp_path / "w.pt")
    encoder = load_encoder(str(tmp_path / "w.pt"), LoadOptions(arch=RESNET))
    assert encoder.fingerprint == load_encoder(f"{tmp_path / 'w.pt'},arch={RESNET}").fingerprint
    assert encoder.name == "w.pt"


def test_a_cifar_stem_is_seen_by_its_first_convolution(tmp_path: Path) -> None:
    built = network("timm:resnet18")
    built.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    built.maxpool = nn.Identity()
    torch.save({"state_dict": behind("backbone.", body(built.state_dict()))}, tmp_path / "cifar.ckpt")
    encoder = load_encoder(f"{tmp_path / 'cifar.ckpt'},arch=timm:resnet18")
    torch.testing.assert_close(embed(encoder), feature(built, 32), rtol=1e-4, atol=1e-4)
    numbers = nn.Sequential(*list(built.children())[:-1]).state_dict()
    torch.save({"state_dict": behind("backbone.", numbers)}, tmp_path / "numbered.ckpt")
    again = load_encoder(f"{tmp_path / 'numbered.ckpt'},arch=timm:resnet18")
    assert again.fingerprint == encoder.fingerprint
    with pytest.raises(EncoderError, match="of another shape"):
        load_encoder(f"{tmp_path / 'cifar.ckpt'},arch=timm:resnet18,stem=imagenet")
    with pytest.raises(UnknownNameError, match="'cifar'"):
        load_encoder(f"{tmp_path / 'cifar.ckpt'},arch=timm:resnet18,stem=cifa")


def test_container_and_prefix_can_be_forced(tmp_path: Path) -> None:
    built, student = network(VIT), network(VIT, seed=2)
    content = {"student": behind("module.backbone.", student.state_dict()), "teacher": behind("backbone.", built.state_dict())}
    torch.save(content, tmp_path / "dino.pth")
    encoder = load_encoder(f"{tmp_path / 'dino.pth'},arch={VIT},container=student,prefix=module.backbone")
    torch.testing.assert_close(embed(encoder), feature(student), rtol=1e-5, atol=1e-5)
    with pytest.raises(UnknownNameError, match="'student'"):
        load_encoder(f"{tmp_path / 'dino.pth'},arch={VIT},container=studen")
    with pytest.raises(EncoderError, match=r"prefix 'base\.'"):
        load_encoder(f"{tmp_path / 'dino.pth'},arch={VIT},prefix=base")


def test_only_leading_prefixes_are_stripped(tmp_path: Path) -> None:
    """Repositories that replace "encoder." anywhere break names that contain it."""
    built = network(RESNET)
    state = {name.replace("layer1.", "layer1.encoder."): value for name, value in built.state_dict().items()}
    torch.save(behind("encoder.", state), tmp_path / "w.pt")
    with pytest.raises(EncoderError, match="missing in the file"):
        load_encoder(f"{tmp_path / 'w.pt'},arch={RESNET}")


def test_layer_pool_and_normalisation_apply_to_checkpoints(tmp_path: Path) -> None:
    built = network(VIT)
    torch.save(built.state_dict(), tmp_path / "w.pt")
    encoder = load_encoder(f"{tmp_path / 'w.pt'},arch={VIT},pool=avg,normalise=none,name=mine")
    tower = encoder.towers["image"]
    assert encoder.name == "mine"
    pixels = tower.prepare(dummy_image())
    assert pixels.min() >= 0
    with torch.no_grad():
        expected = built.forward_features(pixels[None])[:, 1:].mean(1)
    torch.testing.assert_close(embed(encoder), expected)


def test_the_same_weights_in_another_layout_have_the_same_fingerprint(tmp_path: Path) -> None:
    built = network(RESNET)
    torch.save(built.state_dict(), tmp_path / "one.pt")
    torch.save(LAYOUTS["swav"](built, RESNET), tmp_path / "two.pt")
    torch.save(network(RESNET, seed=3).state_dict(), tmp_path / "three.pt")
    one, two, three = (load_encoder(f"{tmp_path / name}.pt,arch={RESNET}").fingerprint for name in ("one", "two", "three"))
    assert one == two != three


def test_too_few_tensors_are_an_error_that_lists_them(tmp_path: Path) -> None:
    state = network(RESNET).state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith("layer2")}
    torch.save({"state_dict": behind("module.", kept), "other": {"x": torch.zeros(1)}}, tmp_path / "w.pt")
    with pytest.raises(EncoderError) as caught:
        load_encoder(f"{tmp_path / 'w.pt'},arch={RESNET}")
    message = str(caught.value)
    assert "layer2.0.conv1.weight" in message
    assert "module.layer1." in message
    assert "'state_dict', 'other'" in message


def test_one_wrong_shape_is_an_error(tmp_path: Path) -> None:
    state = dict(network(VIT).state_dict())
    state["pos_embed"] = torch.zeros(1, 5, 64)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(EncoderError, match=r"pos_embed \(1, 5, 64\) for pos_embed \(1, 101, 64\)"):
        load_encoder(f"{tmp_path / 'w.pt'},arch={VIT}")


@pytest.mark.parametrize(("saved", "asked"), [("resnet34", "resnet18"), ("resnet18", "resnet34"), ("resnet50", "resnet18")])
def test_another_depth_is_an_error_that_names_the_right_architecture(tmp_path: Path, saved: str, asked: str) -> None:
    """Every tensor of a ResNet-18 is found in a ResNet-34, with the right shape."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in timm.create_model(saved).state_dict().items()}
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, tmp_path / "w.pt")
    with pytest.raises(EncoderError, match=f"arch=timm:{saved}"):
        load_encoder(f"{tmp_path / 'w.pt'},arch=timm:{asked}")


def test_a_missing_architecture_is_asked_for_with_a_guess(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = timm.create_model("resnet50").state_dict()
    torch.save({name: torch.zeros(()).expand(value.shape) for name, value in state.items()}, tmp_path / "w.pt")
    with pytest.raises(EncoderError, match=r"Type .*w\.pt,arch=timm:resnet50"):
        load_encoder(str(tmp_path / "w.pt"))
    with pytest.raises(UnknownNameError, match="'resnet50'"):
        load_encoder(f"{tmp_path / 'w.pt'},arch=timm:resnt50")
    with pytest.raises(UnknownNameError, match="'timm'"):
        load_encoder(f"{tmp_path / 'w.pt'},arch=tim:resnet50")
    with pytest.raises(UsageError, match="arch=timm:resnet50"):
        load_encoder(f"{tmp_path / 'w.pt'},arch=resnet50")
    with pytest.raises(UnknownNameError, match="'prefix'"):
        load_encoder(f"{tmp_path / 'w.pt'},arch=timm:resnet50,prefx=x")


def save_moco(path: Path) -> None:
    built = network(RESNET)
    state = {**behind("module.encoder_q.", built.state_dict()), **behind("module.encoder_k.", other(RESNET))}
    torch.save({"state_dict": {**state, "module.queue": torch.zeros(4, 9)}}, path)


def test_the_report_names_all_that_was_left_out_of_the_file(tmp_path: Path) -> None:
    save_moco(tmp_path / "moco.pt")
    report = load_encoder(f"{tmp_path / 'moco.pt'},arch={RESNET}").load_report
    assert report is not None
    assert "module.queue" in report.left_out
    assert "module.encoder_q.fc.weight" in report.left_out
    lines = "\n".join(load_lines(report))
    assert f"loaded {len(report.filled)} of {len(report.filled)} tensors of the backbone (100.0%" in lines
    assert "from 'state_dict' behind 'module.encoder_q.'" in lines
    assert "module.queue (1)" in lines
    assert f"module.encoder_k ({sum(name.startswith('module.encoder_k.') for name in report.left_out)})" in lines


def test_a_wrong_prefix_is_answered_with_those_that_would_fit(tmp_path: Path) -> None:
    save_moco(tmp_path / "moco.pt")
    with pytest.raises(EncoderError, match=r"prefix=module\.encoder_q\.,container=state_dict would fill \d+ of \d+"):
        load_encoder(f"{tmp_path / 'moco.pt'},arch={RESNET},prefix=module.queue")
