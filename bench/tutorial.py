"""The training loop that a tutorial shows: images decoded one by one by a DataLoader, ToTensor, torch's Adam, float32.

The loss is the model's own, so that the arithmetic is the same, on the same dequantized pixels, and the learning rate
falls along the same cosine.
"""

import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from cdae.datasets.torchvision_import import torchvision_datasets


class Pictures(Dataset):
    """Images one at a time as torchvision's MNIST gives them: a PIL image, transformed, and a label."""

    def __init__(self, images: np.ndarray):
        torchvision_datasets()  # after which the import passes whichever build of torch there is
        from torchvision.transforms import ToTensor

        self.images, self.transform = images.reshape(-1, 28, 28), ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index])), 0


class Loop:
    """A model in training by the tutorial's loop."""

    def __init__(self, model: Any, images: np.ndarray, *, batch_size: int, learning_rate: float, n_epochs: int):
        self.model = model
        self.generator = torch.Generator().manual_seed(0)
        self.loader = DataLoader(Pictures(images), batch_size=batch_size, shuffle=True, generator=self.generator)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, n_epochs * len(self.loader))

    def run(self, n_updates: int) -> float:
        """CPU seconds per example of so many updates, at most an epoch."""
        start, n_examples = time.process_time(), 0
        for update, (x, _) in enumerate(self.loader, start=1):
            x = self.dequantize(x.flatten(1))
            loss = self.model.loss(x, generator=self.generator)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            n_examples += len(x)
            if update == n_updates:
                break
        return (time.process_time() - start) / n_examples

    def dequantize(self, x: torch.Tensor) -> torch.Tensor:
        return (255.0 * x + torch.rand(x.shape, generator=self.generator)) / 256.0
