"""An encoder of your own: try it with  repbench run examples/my_encoder.py:load --tasks knn/digits

`prepare` turns one raw item (here a PIL image) into a tensor; `module` turns a batch of them into vectors (n, dim).
Here an untrained network reads images of 64 x 64; put your own, with its weights, in its place.
"""

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import resize, to_tensor

from repbench import Encoder
from repbench.encoders.fingerprint import make_tower


def prepare(image: Image.Image) -> Tensor:
    """One image as (3, 64, 64) in [0, 1]. A function of the module, so that loader workers can have it."""
    return to_tensor(resize(image.convert("RGB"), [64, 64]))


def load(width: str = "64") -> Encoder:
    """Called once. Options come as text: my_encoder.py:load,width=128"""
    torch.manual_seed(0)  # the same weights every time; instead: network.load_state_dict(torch.load("weights.pt"))
    network = nn.Sequential(nn.Conv2d(3, int(width), 7, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    # the words are for the record; weights and words together are the encoder's fingerprint
    tower = make_tower(network, prepare, preprocessing="squashed to 64 x 64, in [0, 1]", features="average of one layer")
    return Encoder(name="mine", towers={"image": tower})
