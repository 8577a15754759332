"""A user's own object as a model of this suite: what it returns is checked, and what it lacks is named.

Methods that it has (`own_methods`) are forwarded, and what they return is checked: a value per example, as float64, and
samples of the data's shape. Not here: where the object comes from.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cdae.binary_images import binary, draw_binary
from cdae.data import TrainingSet
from cdae.gaussian import standard_normal
from cdae.interfaces import BoundTerms, SampleSet, SampleVariant
from cdae.own_methods import FORWARDED

REPEATS = 100  # of draws that were equal: a few discrete ones are so by chance


class OwnModel(nn.Module):
    """A user's object, without any method of a Protocol but those of torch's modules; `methods_of` gives the others.

    Args:
        model: the user's object; if it is a module of torch, its parameters and buffers are saved.
        dim: dimensions of an example.
        binarized: whether gray values are probabilities of black and white pixels; then it is shown the latter alone.
    """

    label: ClassVar[str]  # what errors begin with

    def __init__(self, model: Any, dim: int, *, binarized: bool = False):
        super().__init__()
        self.model, self.dim, self.binarized = model, dim, binarized
        self.register_buffer("place", torch.zeros(()), persistent=False)  # where draws are made

    def call(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        """What a method of the user's object returns; what it raises names the method and the shapes it was given."""
        try:
            return getattr(self.model, name)(*arguments, **keywords)
        except (ArithmeticError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise
            given = ", ".join(str(tuple(a.shape)) if isinstance(a, Tensor) else str(a) for a in arguments)
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ValueError(
                f"{self.label}: {name} raised {what}; it was given {given}, and examples have the shape (n, "
                f"{self.dim}); make it take these"
            ) from error

    def shown(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """The examples as the user's object sees them: of gray ones the same draw at every call."""
        return binary(x) if self.binarized else x

    def per_example(self, name: str, x: Float[Tensor, "n dim"], *latents: Tensor) -> Float[Tensor, "n"]:
        """One value per example, in nats, as float64."""
        values = self.call(name, self.shown(x), *latents)
        self.check_shape(name, values, (len(x),), "one value per example, summed over its dimensions")
        if values.isnan().all():  # a few are those of proposals that went astray
            raise ValueError(
                f"{self.label}: {name} returned NaN for all of {len(x)} examples, expected numbers; look at its "
                "weights, and at divisions and logarithms in it"
            )
        return values.double()

    def check_shape(self, name: str, values: Any, shape: tuple[int, ...], what: str) -> None:
        """Raise ValueError unless a method has returned real numbers in a tensor of this shape."""
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        if not isinstance(values, Tensor) or values.shape != shape:
            raise ValueError(f"{self.label}: {name} returned {got}, expected a tensor of shape {shape}: {what}")
        if not values.is_floating_point():
            raise ValueError(f"{self.label}: {name} returned {values.dtype}, expected real numbers; make them float")


def log_prob(self: OwnModel, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
    return self.per_example("log_prob", x)


def log_weights(self: OwnModel, x: Float[Tensor, "n dim"], latents: Tensor) -> Float[Tensor, "n"]:
    return self.per_example("log_weights", x, latents)


def log_likelihood(self: OwnModel, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
    return self.per_example("log_likelihood", x, z)


def infer(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor:
    return self.call("infer", self.shown(x), generator=generator)


def bound_terms(self: OwnModel, x: Float[Tensor, "n dim"], latents: Tensor) -> BoundTerms:
    terms = self.call("bound_terms", self.shown(x), latents)
    if not isinstance(terms, BoundTerms):
        raise ValueError(
            f"{self.label}: bound_terms returned a {type(terms).__name__}, expected a cdae.interfaces.BoundTerms"
        )
    self.check_shape("bound_terms", terms.total, (len(x),), "one value of each term per example")
    return terms


def loss(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
    """The user's loss in training mode; evaluation mode is back afterwards. Gray images are drawn anew."""
    if self.binarized:
        x = draw_binary(x, generator=generator)
    self.model.train()
    try:
        value = self.call("loss", x, generator=generator)
    finally:
        self.model.eval()
    self.check_shape("loss", value, (), "the mean over the batch")
    return value


def refit(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
    self.call("refit", self.shown(x), generator=generator)


def fit_closed_form(self: OwnModel, training_set: TrainingSet, *, generator: torch.Generator) -> None:
    self.call("fit_closed_form", training_set, generator=generator)


@torch.no_grad()
def simulate(self: OwnModel, n_samples: int, *, generator: torch.Generator) -> tuple[Float[Tensor, "n dim"], Tensor]:
    """Draw x with its latents by the user's own `simulate`."""
    drawn = self.call("simulate", n_samples, generator=generator)
    if not isinstance(drawn, tuple) or len(drawn) != 2:
        raise ValueError(f"{self.label}: simulate returned a {type(drawn).__name__}, expected a pair (x, latents)")
    self.check_shape("simulate", drawn[0], (n_samples, self.dim), "examples in the data's units")
    return drawn


@torch.no_grad()
def simulate_by_decoder(
    self: OwnModel, n_samples: int, *, generator: torch.Generator
) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n latent"]]:
    """Draw z ~ N(0, I) and x from p(x | z) by the user's `sample_x`.

    Raises:
        ValueError: if `sample_x` draws nothing: upper bounds hold for draws of the model alone, and not for means.
    """
    z = standard_normal(self.place, n_samples, self.model.latent_dim, generator=generator)
    x, again = _drawn_twice(self, z, generator)
    self.check_shape("sample_x", x, (n_samples, self.dim), "an example for every row of z, in the data's units")
    if torch.equal(x, again) and torch.equal(*_drawn_twice(self, z.repeat(REPEATS, 1), generator)):
        raise ValueError(
            f"{self.label}: sample_x gave the same x twice for the same z, expected draws of p(x | z) with their "
            "noise; do not return the mean, and draw with the generator that it is given"
        )
    return x, z


def _drawn_twice(self: OwnModel, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return tuple(self.call("sample_x", z, generator=generator) for _ in range(2))


def sample_sets(self: OwnModel, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
    """Yield the user's own `sample_sets`."""
    for samples in self.call("sample_sets", n_samples, generator=generator):
        self.check_shape("sample_sets", samples.values, (len(samples.values), self.dim), "examples in the data's units")
        yield samples


def sample_sets_by_sample(self: OwnModel, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
    """Yield what the user's `sample` draws."""
    values = self.call("sample", n_samples, generator=generator)
    self.check_shape("sample", values, (n_samples, self.dim), "examples in the data's units")
    yield SampleSet(SampleVariant("sample"), values)


def sample_sets_by_simulation(self: OwnModel, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
    """Yield simulated examples without their latents."""
    yield SampleSet(SampleVariant("sample"), self.simulate(n_samples, generator=generator)[0])


FORWARDERS: dict[str, Callable[..., Any]] = {
    "bound_terms": bound_terms,
    "fit_closed_form": fit_closed_form,
    "infer": infer,
    "log_likelihood": log_likelihood,
    "log_prob": log_prob,
    "log_weights": log_weights,
    "loss": loss,
    "refit": refit,
    "sample_sets": sample_sets,
    "simulate": simulate,
}
assert set(FORWARDERS) == FORWARDED


def methods_of(names: frozenset[str], written: frozenset[str]) -> dict[str, Any]:
    """The methods of a class of models, so that `isinstance` and `issubclass` tell the truth.

    Args:
        names: that may be called, as `own_methods.usable` gives them.
        written: those of the user's class.
    """
    methods: dict[str, Any] = {name: FORWARDERS[name] for name in names & FORWARDED}
    if "simulate" in names and "simulate" not in written:
        methods["simulate"] = simulate_by_decoder
    if "sample_sets" in names and "sample_sets" not in written:
        methods["sample_sets"] = sample_sets_by_sample if "sample" in written else sample_sets_by_simulation
    if "log_likelihood" in names:
        methods["latent_dim"] = property(lambda self: self.model.latent_dim)
    return methods


def check_latent_dim(label: str, model: Any) -> None:
    """Raise ValueError unless a decoder says how many dimensions z has."""
    latent_dim = getattr(model, "latent_dim", None)
    if type(latent_dim) is not int or latent_dim < 1:
        raise ValueError(
            f"{label}: has log_likelihood(x, z) and latent_dim {latent_dim!r}, expected a whole number of at least 1, "
            "the dimensions of z; set self.latent_dim"
        )
