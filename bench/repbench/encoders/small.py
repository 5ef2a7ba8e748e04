"""Small networks for images of 32 to 64 pixels, which train within minutes on a CPU: `small:resnet`, `small:vit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import timm
from timm.models.resnet import BasicBlock, downsample_conv
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from repbench.encoders.preprocess import NORMALISATIONS, ImagePreprocess

SIZE = 32  # pixels; more with size=
WIDTHS = (24, 24, 48, 96, 192)  # channels of the stem and of the four blocks
IMAGES = ImagePreprocess(size=SIZE, resize=SIZE, mean=NORMALISATIONS["half"][0], std=NORMALISATIONS["half"][1])
NOTES = {"package": f"repbench's small networks, blocks of timm {timm.__version__}"}


class SmallResNet(nn.Module):
    """Four residual blocks of 24 to 192 channels behind a 3 by 3 stem of stride 2: 9 M multiplications at 32 pixels."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.depth = len(widths)
        self.conv1 = nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for place, (before, width) in enumerate(pairwise(widths)):
            stride = 1 if place == 0 else 2
            shortcut = None if stride == 1 else downsample_conv(before, width, 1, stride=stride)
            self.add_module(f"layer{place + 1}", BasicBlock(before, width, stride=stride, downsample=shortcut))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, images: Tensor) -> Tensor:
        """The last map (n, channels, size / 16, size / 16)."""
        maps: Tensor = self.bn1(self.conv1(images)).relu()
        for place in range(1, self.depth):
            maps = self.get_submodule(f"layer{place}")(maps)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, channels): the last map, averaged over space."""
        return self.forward_features(images).mean((2, 3))


def half_resnet() -> nn.Module:
    """The same with half the channels, 12 to 96: a third of the time."""
    return SmallResNet([width // 2 for width in WIDTHS])


def small_vit() -> nn.Module:
    """A vision transformer of 4 blocks, 128 wide, 4 heads, patches of 4 pixels; its patch tokens are averaged."""
    return VisionTransformer(
        img_size=SIZE, patch_size=4, embed_dim=128, depth=4, num_heads=4, num_classes=0, global_pool="avg", fc_norm=False
    )


class PatchNet(nn.Module):
    """A grid of overlapping patches, each seen alone: 7 by 7 patches of 8 pixels at 32 (CPC's 50 % overlap, section 3.2).

    The patches are cut by the first convolution; group norms are taken within a patch, so nothing passes between them.
    """

    def __init__(self, width: int = 128, side: int = 8) -> None:
        super().__init__()
        self.side = side
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(inplace=True)),
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.GroupNorm(4, 64), nn.ReLU(inplace=True)),
            *(nn.Conv2d(64, width, 3, stride=2, padding=1), nn.GroupNorm(4, width), nn.ReLU(inplace=True)),
        )

    def grid(self, images: Tensor) -> Tensor:
        """Embeddings (n, rows, columns, width) of the patches."""
        step = self.side // 2
        cut = images.unfold(2, self.side, step).unfold(3, self.side, step)  # (n, 3, rows, columns, side, side)
        n, _, rows, columns = cut.shape[:4]
        patches = cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, self.side, self.side)
        embedded: Tensor = self.layers(patches).mean((2, 3)).view(n, rows, columns, -1)
        return embedded

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, width): the mean over the grid."""
        return self.grid(images).mean((1, 2))


SMALL: Mapping[str, Callable[[], nn.Module]] = {
    "resnet": SmallResNet,
    "half-resnet": half_resnet,
    "vit": small_vit,
    "patches": PatchNet,
}
