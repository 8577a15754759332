"""Matrix products of a denoiser's layers and nothing else: the limit that whole algorithms are measured against."""

import torch
from torch import Tensor, nn

from bench.timing import Clock, seconds_of, stopwatch
from cdae.computing.precision import PROCESSOR
from cdae.computing.seeds import generator_from

Pairs = list[tuple[Tensor, Tensor]]


def widths(model: nn.Module) -> list[tuple[int, int]]:
    """(n_in, n_out) of each linear layer."""
    return [(layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, nn.Linear)]


def forward(rows: int, layers: list[tuple[int, int]], device: torch.device = PROCESSOR) -> Pairs:
    """x W^T of every layer."""
    return [(_normal(rows, n_in).to(device), _normal(n_out, n_in).to(device).T) for n_in, n_out in layers]


def input_gradients(rows: int, layers: list[tuple[int, int]], device: torch.device = PROCESSOR) -> Pairs:
    """g W of every layer."""
    return [(_normal(rows, n_out).to(device), _normal(n_out, n_in).to(device)) for n_in, n_out in layers]


def weight_gradients(rows: int, layers: list[tuple[int, int]]) -> Pairs:
    """g^T x of every layer."""
    return [(_normal(rows, n_out).T, _normal(rows, n_in)) for n_in, n_out in layers]


def update(rows: int, layers: list[tuple[int, int]]) -> Pairs:
    """All products of a training step; the gradient with respect to the data is not needed."""
    return forward(rows, layers) + weight_gradients(rows, layers) + input_gradients(rows, layers[1:])


def flop(pairs: Pairs) -> float:
    """Multiplications and additions."""
    return sum(2.0 * a.shape[0] * a.shape[1] * b.shape[1] for a, b in pairs)


def limit(pairs: Pairs, n_times: int) -> Clock:
    """Seconds of the products once, by torch.mm into memory that is there."""
    results = [torch.empty(a.shape[0], b.shape[1], device=a.device) for a, b in pairs]

    def multiply() -> None:
        for _ in range(n_times):
            for (a, b), result in zip(pairs, results, strict=True):
                torch.mm(a, b, out=result)

    return lambda: seconds_of(multiply, stopwatch(pairs[0][0].device)) / n_times


def _normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator_from("bench", "products", *shape))
