"""A user's own model by its import path, as a model of this suite.

The user's object is wrapped. Methods that its class has (`baselines.own_methods`) are forwarded, and what they return
is checked: a value per example, as float64, and samples of the data's shape. Outside of its loss the object is in
evaluation mode, so dropout and batch norm do not act. Not here: which methods there are (`own_methods`), and how the
object is built (`own_object`).
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.own_methods import FORWARDED, TRAINING, offered, target_of
from baselines.own_object import check_object, own_object
from baselines.own_weights import load_weights
from cdae.data import TrainingSet
from cdae.gaussian import standard_normal
from cdae.import_path import ImportPath
from cdae.interfaces import BoundTerms, Fitted, SampleSet, SampleVariant, Simulates

PROBES = 2  # examples that are simulated where a model is built, and thrown away


class OwnModel(nn.Module):
    """A user's object, without any method of a Protocol but those of torch's modules; `own_model` adds the others.

    Args:
        model: the user's object; if it is a module of torch, its parameters and buffers are saved.
        dim: dimensions of an example.
    """

    target: ClassVar[ImportPath]

    def __init__(self, model: Any, dim: int):
        super().__init__()
        self.model, self.dim = model, dim
        self.register_buffer("place", torch.zeros(()), persistent=False)  # where draws are made

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "OwnModel":
        """Build the user's object from `options`, read its `weights` if there are any, and wrap it.

        Args:
            options: the keys of the model in the configuration: `kind`, and possibly `options`, `weights`, `training`.

        Raises:
            ValueError: in one line, if the object cannot be built, or is not what its source says.
        """
        made = own_object(cls.target, options.get("options", {}), training_set, generator=generator)
        names = offered(cls.target).names
        if "weights" in options:
            load_weights(made, options["weights"])
            names -= TRAINING
        check_object(cls.target, made, names, has_weights="weights" in options)
        if isinstance(made, nn.Module):
            made.eval()
        model = _class_of(cls.target, names)(made, training_set.values.shape[1])
        if isinstance(model, Simulates) and not isinstance(model, Fitted):
            model.simulate(
                PROBES, generator=torch.Generator().manual_seed(0)
            )  # what is wrong with it shows before a run
        return model

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
                f"{self.target}: {name} raised {what}; it was given {given}, and examples have the shape (n, "
                f"{self.dim}); make it take these"
            ) from error

    def per_example(self, name: str, *arguments: Tensor) -> Float[Tensor, "n"]:
        """One value per example, in nats, as float64."""
        values = self.call(name, *arguments)
        self.check_shape(name, values, (len(arguments[0]),), "one value per example, summed over its dimensions")
        return values.double()

    def check_shape(self, name: str, values: Any, shape: tuple[int, ...], what: str) -> None:
        """Raise ValueError unless a method has returned a tensor of this shape."""
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        if not isinstance(values, Tensor) or values.shape != shape:
            raise ValueError(f"{self.target}: {name} returned {got}, expected a tensor of shape {shape}: {what}")


def log_prob(self: OwnModel, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n"]:
    return self.per_example("log_prob", x)


def log_weights(self: OwnModel, x: Float[Tensor, "n dim"], latents: Tensor) -> Float[Tensor, "n"]:
    return self.per_example("log_weights", x, latents)


def log_likelihood(self: OwnModel, x: Float[Tensor, "n dim"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
    return self.per_example("log_likelihood", x, z)


def infer(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Tensor:
    return self.call("infer", x, generator=generator)


def bound_terms(self: OwnModel, x: Float[Tensor, "n dim"], latents: Tensor) -> BoundTerms:
    terms = self.call("bound_terms", x, latents)
    if not isinstance(terms, BoundTerms):
        raise ValueError(
            f"{self.target}: bound_terms returned a {type(terms).__name__}, expected a cdae.interfaces.BoundTerms"
        )
    self.check_shape("bound_terms", terms.total, (len(x),), "one value of each term per example")
    return terms


def loss(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, ""]:
    """The user's loss in training mode; evaluation mode is back afterwards."""
    self.model.train()
    try:
        value = self.call("loss", x, generator=generator)
    finally:
        self.model.eval()
    self.check_shape("loss", value, (), "the mean over the batch")
    return value


def refit(self: OwnModel, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> None:
    self.call("refit", x, generator=generator)


def fit_closed_form(self: OwnModel, training_set: TrainingSet, *, generator: torch.Generator) -> None:
    self.call("fit_closed_form", training_set, generator=generator)


@torch.no_grad()
def simulate(self: OwnModel, n_samples: int, *, generator: torch.Generator) -> tuple[Float[Tensor, "n dim"], Tensor]:
    """Draw x with its latents by the user's own `simulate`."""
    drawn = self.call("simulate", n_samples, generator=generator)
    if not isinstance(drawn, tuple) or len(drawn) != 2:
        raise ValueError(f"{self.target}: simulate returned a {type(drawn).__name__}, expected a pair (x, latents)")
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
    x, again = (self.call("sample_x", z, generator=generator) for _ in range(2))
    self.check_shape("sample_x", x, (n_samples, self.dim), "an example for every row of z, in the data's units")
    if torch.equal(x, again):
        raise ValueError(
            f"{self.target}: sample_x gave the same x twice for the same z, expected draws of p(x | z) with their "
            "noise; do not return the mean, and draw with the generator that it is given"
        )
    return x, z


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


def own_model(kind: str) -> type:
    """The class of a user's model, without running any of the user's code.

    Raises:
        ValueError: if the source cannot be found or read.
    """
    target = target_of(kind)
    return _class_of(target, offered(target).names)


@cache
def _class_of(target: ImportPath, names: frozenset[str]) -> type[OwnModel]:
    """A class with these methods of a Protocol and no other, so that `isinstance` and `issubclass` tell the truth."""
    written = offered(target).written
    methods: dict[str, Any] = {name: FORWARDERS[name] for name in names & FORWARDED}
    if "simulate" in names and "simulate" not in written:
        methods["simulate"] = simulate_by_decoder
    if "sample_sets" in names and "sample_sets" not in written:
        methods["sample_sets"] = sample_sets_by_sample if "sample" in written else sample_sets_by_simulation
    if "log_likelihood" in names:
        methods["latent_dim"] = property(lambda self: self.model.latent_dim)
    return type(target.name, (OwnModel,), {"target": target, **methods})
