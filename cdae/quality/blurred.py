"""A control: images blurred a little, which a window estimate of their density likes better than the images."""

import torch
from jaxtyping import Float
from torch import Tensor


def blurred(images: Float[Tensor, "n dim"], image_shape: tuple[int, ...]) -> Float[Tensor, "n dim"]:
    """Every pixel becomes the binomial mean of the 3 x 3 around it; pixels at the edge count on beyond it."""
    planes = images.reshape(len(images), *image_shape[:2], -1).permute(0, 3, 1, 2)
    line = torch.tensor([0.25, 0.5, 0.25], dtype=images.dtype, device=images.device)
    padded = torch.nn.functional.pad(planes, (1, 1, 1, 1), mode="replicate")
    kernel = (line[:, None] * line).expand(planes.shape[1], 1, 3, 3)
    smooth = torch.nn.functional.conv2d(padded, kernel, groups=planes.shape[1])
    return smooth.permute(0, 2, 3, 1).reshape(len(images), -1)
