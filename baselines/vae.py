"""The variational auto-encoder (D. Kingma and M. Welling, "Auto-Encoding Variational Bayes", 2014).

    p(z) = N(0, I),   p(x | z) = N(f(z), s^2 I),   q(z | x) = N(m(x), diag v(x))

The standard deviation s is learned, as one number or as one for each pixel. In the robust form a network predicts it
from z, and each pixel has a broad component besides, as the last step of a cascade may have. Without hidden layers and
in another form the model is linear, and its optimum is probabilistic principal component analysis, or factor analysis
with an s for each pixel. Its encoder, its bound and its loss are those of `gaussian_code`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.gaussian_code import GaussianCode
from cdae.computing.chunks import EXAMPLES
from cdae.data import TrainingSet
from cdae.denoiser import DataScale, mlp
from cdae.density_predictor import DensityPredictor
from cdae.gaussian import standard_normal
from cdae.interfaces import DivergenceError, SampleSet, SampleVariant
from cdae.pixel_density import PixelDensity

RECONSTRUCTIONS = ("isotropic", "per_pixel", "robust")


class VAE(GaussianCode):
    """A VAE whose encoder and decoder are multilayer perceptrons.

    Args:
        data_scale: standardises the encoder's input, and maps the decoder's output to data units.
        latent_dim: the number of dimensions of z.
        hidden_sizes: the sizes of the encoder's hidden layers; the decoder has them in reverse order. Without hidden
            layers, and with a linear data_scale, the VAE is linear.
        reconstruction: "isotropic", one s for all pixels, log_std (); "per_pixel", log_std (dim,); or
            "robust", for data in [0, 1], what a `DensityPredictor` says at z.
        variance_floor: the least value of s^2, in squared data units; see `data.DataSummary`.
        n_importance_samples: M, draws of z per example in the loss; above 1 the model is an IWAE (`gaussian_code`).

    Raises:
        ValueError: for an unknown reconstruction, a robust one of data that are not in [0, 1], M below 1, or M above 1
            where s is per pixel.
    """

    def __init__(
        self,
        data_scale: DataScale,
        *,
        latent_dim: int,
        hidden_sizes: Sequence[int],
        reconstruction: str = "isotropic",
        variance_floor: float = 0.0,
        n_importance_samples: int = 1,
        generator: torch.Generator,
    ):
        super().__init__(
            data_scale,
            latent_dim=latent_dim,
            hidden_sizes=hidden_sizes,
            n_importance_samples=n_importance_samples,
            generator=generator,
        )
        if reconstruction not in RECONSTRUCTIONS:
            raise ValueError(f"reconstruction: got {reconstruction!r}, expected one of {', '.join(RECONSTRUCTIONS)}")
        if reconstruction == "per_pixel" and n_importance_samples > 1:
            raise ValueError(
                f"n_importance_samples: got {n_importance_samples} with reconstruction: per_pixel, whose s are those "
                "of the lower bound; set it to 1, or choose isotropic or robust"
            )
        dim = len(data_scale.mean)
        self.per_pixel = reconstruction == "per_pixel"
        self.density_predictor: DensityPredictor | None = None
        if reconstruction == "robust":
            network = mlp(latent_dim, hidden_sizes[::-1], dim, generator=generator)
            self.density_predictor = DensityPredictor(network, data_scale, variance_floor, robust=True)
        log_std = data_scale.std.log()
        self.log_std = nn.Parameter(log_std.repeat(dim) if self.per_pixel else log_std)
        self.min_log_std = 0.5 * math.log(variance_floor) if variance_floor > 0.0 else -math.inf

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "VAE":
        """Build an untrained model from configuration options."""
        data = training_set.summary()
        scale = DataScale(data.mean, data.pooled_std, unit_interval=data.unit_interval)
        reconstruction = options.get("reconstruction", "isotropic")
        return cls(
            scale,
            latent_dim=options["latent_dim"],
            hidden_sizes=options["hidden_sizes"],
            reconstruction=reconstruction,
            variance_floor=0.0 if reconstruction == "isotropic" else data.variance_floor,
            n_importance_samples=options.get("n_importance_samples", 1),
            generator=generator,
        )

    def std(self) -> Float[Tensor, "*pixels"]:
        """Return s, the standard deviation of p(x | z), in data units, () or (dim,); it is never below its floor.

        It is not that of the robust form.
        """
        return self.log_std.clamp(min=self.min_log_std).exp()

    def density(self, z: Float[Tensor, "n latent"]) -> PixelDensity:
        """Return p(x | z) around f(z)."""
        return PixelDensity(self.std()) if self.density_predictor is None else self.density_predictor(z)

    def log_likelihood(self, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Return log p(x | z) in nats per example."""
        return self.density(z).log_prob(x, self.decode(z))

    def refit(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
        """Set every pixel's s to the maximiser of the bound, s_j^2 = E (x - f(z))_j^2 with z ~ q(z | x), or its floor.

        Gradients change s between refits. Without refits, training would be too slow to bring s from the data's
        standard deviation to that of a constant pixel. If all pixels share one s, only gradients change it.

        Raises:
            DivergenceError: if the decoder's outputs are not finite.
        """
        if not self.per_pixel:
            return
        mse = self.pixel_mse(x, generator=generator)
        if not mse.isfinite().all():
            raise DivergenceError(f"mean squared error {mse.mean().item()} of the decoder")
        with torch.no_grad():
            self.log_std.copy_((0.5 * mse.log()).clamp(min=self.min_log_std))

    @torch.no_grad()
    def pixel_mse(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "dim"]:
        """Estimate E (x - f(z))_j^2 for every pixel j, over the examples and one z ~ q(z | x) of each, in float64."""
        total = x.new_zeros(x.shape[1], dtype=torch.float64)
        for chunk in x.split(EXAMPLES):
            residual = chunk - self.decode(self.infer(chunk, generator=generator))
            total += residual.square().sum(0, dtype=torch.float64)
        return total / len(x)

    def loss(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
        """Compute minus the lower bound, or minus IW-M with M > 1 draws, in nats, averaged over the batch."""
        return self.minus_bound(x, generator=generator)

    @torch.no_grad()
    def simulate(
        self, n_samples: int, *, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n latent"]]:
        """Draw x from the model, and return it with its latent z."""
        z = standard_normal(self.log_std, n_samples, self.latent_dim, generator=generator)
        return self.density(z).sample(self.decode(z), generator=generator), z

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield two sample sets from the same latents: the mean of p(x | z), and a sample of it."""
        parts = standard_normal(self.log_std, n_samples, self.latent_dim, generator=generator).split(EXAMPLES)
        with torch.no_grad():
            means = [self.decode(z) for z in parts]
        yield SampleSet(SampleVariant("mean"), torch.cat(means))
        with torch.no_grad():
            samples = [self.density(z).sample(mean, generator=generator) for z, mean in zip(parts, means, strict=True)]
        yield SampleSet(SampleVariant("sample"), torch.cat(samples))
