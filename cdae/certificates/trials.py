"""Which estimators certify which model, and what they need beforehand: a fitted inference model, a pilot's course."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from cdae.certificates.examples import Examples
from cdae.certificates.work import Arrays, Work
from cdae.estimators import course, sandwich
from cdae.estimators.course import Course
from cdae.estimators.gaussian_base import CascadeFit, DecoderFit
from cdae.estimators.proposals import PROPOSALS, Guided, Proposal, fit_guided, variance_ratios
from cdae.estimators.quadrature import Quadrature
from cdae.estimators.sandwich import Annealing
from cdae.estimators.two_sided import TwoSided
from cdae.interfaces import Cascade, Chain, Decoder, Denoises, PairsLevels, SaysBounded, Weighted

N_PILOT_POINTS, N_PILOT_CHAINS = 16, 2  # training examples, and chains of each
N_ROTATIONS = 4  # of a trajectory
GUIDED_EXAMPLES, GUIDED_BATCH = 2_000, 100  # of the training data, for the two numbers per level
GUIDED_UPDATES, GUIDED_LEARNING_RATE = 300, 0.03
MEASURED = ("betas", "lengths", "angles", "acceptance")  # by a pilot


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One estimator to run.

    Attributes:
        variant: the inference model, or the start of the annealing.
        n_test: number of test points.
        make: gives the estimator.
        n_distributions: that annealing goes over; None for other estimators.
        is_random: whether its numbers depend on random draws, so that repeats of it say something.
        largest_variance_ratio: of a transition's variance to the inference model's; None where it means nothing.
    """

    name: str
    variant: str
    n_test: int
    make: Callable[[], TwoSided]
    n_distributions: int | None = None
    is_random: bool = True
    largest_variance_ratio: float | None = None

    @property
    def label(self) -> str:
        """The name and the variant, as parts and progress name them."""
        return f"{self.name}, {self.variant}"


class Trials:
    """The estimators of one model; what they need is fitted on training examples, and kept as parts of the work."""

    def __init__(self, work: Work, training: Examples):
        self.work, self.settings, self.training = work, work.settings, training

    def of(self, model: nn.Module) -> Iterator[Trial]:
        """Every estimator that the model has the methods for."""
        if isinstance(model, Denoises):
            yield from self._of_cascade(model)
        if isinstance(model, Chain):
            yield self._from_the_prior(sandwich.prior_sampling_of_cascade, model.transitions)
            yield from self._of_joint(model.transitions)
        if isinstance(model, Weighted) and not isinstance(model, Denoises):
            s = self.settings["importance_weighted"]
            make = partial(sandwich.encoder_sampling, model, s["n_importance_samples"])
            own = _inference_model(model)
            yield Trial(name="importance_weighted", variant=own, n_test=s["n_points"], make=make)
        if isinstance(model, PairsLevels):
            make = partial(sandwich.repeated_own_all_pairs, model, **self.settings["all_pairs"])
            yield Trial(name="all_pairs", variant="paper", n_test=self.settings["n_points"], make=make)
        if isinstance(model, Decoder):
            yield self._from_the_prior(sandwich.prior_sampling_of_decoder, model)
            yield self._annealed("encoder" if isinstance(model, Weighted) else "prior", DecoderFit(model))

    def _of_cascade(self, model: Cascade) -> Iterator[Trial]:
        s, n, guided = self.settings, self.settings["n_points"], self._guided(model)
        weighted = s["importance_weighted"]
        inference_models = {name: make() for name, make in PROPOSALS.items()} | {"guided": guided}
        for name, proposal in inference_models.items():
            yield Trial(
                name="importance_weighted",
                variant=name,
                n_test=weighted["n_points"],
                make=partial(sandwich.cascade_sampling, model, proposal, weighted["n_importance_samples"]),
                largest_variance_ratio=self._largest_variance_ratio(model, proposal),
            )
        yield self._from_the_prior(sandwich.prior_sampling_of_cascade, model)
        all_pairs = partial(sandwich.repeated_all_pairs, model, inference_models["paper"], **s["all_pairs"])
        yield Trial(name="all_pairs", variant="paper", n_test=n, make=all_pairs)
        sequential = partial(sandwich.repeated_sequential, model, guided, **s["sequential"])
        yield Trial(name="sequential", variant="guided", n_test=n, make=sequential)
        yield from self._of_joint(model)

    def _of_joint(self, model: Cascade) -> Iterator[Trial]:
        """Those that ask for nothing but the joint density of all states."""
        s = self.settings["annealing"]
        sizes = {name: s[name] for name in ("rank", "n_rounds") if name in s}
        yield self._annealed("fitted", CascadeFit(model, force_precision=s["force_precision"], **sizes))
        if self.training.values.shape[1] == 1:
            quadrature, n = partial(Quadrature, model), self.settings["n_points"]
            yield Trial(name="exact", variant="quadrature", n_test=n, make=quadrature, is_random=False)

    def _from_the_prior(self, sampling: Callable[..., TwoSided], model: Cascade | Decoder) -> Trial:
        """Importance sampling with latents that the model draws without looking at the data."""
        s = self.settings["importance_weighted"]
        make = partial(sampling, model, s["n_importance_samples"])
        return Trial(name="importance_weighted", variant="prior", n_test=s["n_points"], make=make)

    def _largest_variance_ratio(self, model: Cascade, proposal: Proposal) -> float | None:
        """What tells whether the weights have finite variance; None unless the model says its denoiser is bounded."""
        if not (isinstance(model, SaysBounded) and model.has_bounded_denoiser):
            return None
        return variance_ratios(model, proposal).max().item()

    def _annealed(self, variant: str, fit: CascadeFit | DecoderFit) -> Trial:
        return Trial(
            name="annealed",
            variant=variant,
            n_test=self.settings["n_points"],
            make=partial(self._annealing, fit),
            n_distributions=self.settings["annealing"]["n_distributions"],
        )

    def _guided(self, model: Cascade) -> Guided:
        """The guided inference model, fitted on training data."""

        def fit() -> Arrays:
            generator = self.work.generator("certify, guided")
            examples = self.training.draw(generator=generator)
            examples = random_rows(examples, GUIDED_EXAMPLES, generator=generator)
            batches = examples.split(GUIDED_BATCH)
            proposal = fit_guided(
                model,
                lambda update: batches[update % len(batches)],
                n_updates=GUIDED_UPDATES,
                learning_rate=GUIDED_LEARNING_RATE,
                generator=generator,
            )
            return {"share": proposal.share.cpu().numpy(), "stds": proposal.stds.cpu().numpy()}

        part = self.work.keep("guided", fit)
        share, stds = (torch.from_numpy(part[name]).to(self.training.values.device) for name in ("share", "stds"))
        return Guided(share, stds)

    def _annealing(self, fit: CascadeFit | DecoderFit) -> Annealing:
        """Annealing along the course that a pilot on training examples has fixed."""
        s = self.settings["annealing"]

        def fly() -> Arrays:
            generator = self.work.generator("certify, pilot")
            examples = self.training.draw(generator=generator)
            base = fit(random_rows(examples, N_PILOT_POINTS, generator=generator), generator=generator)
            flown = course.pilot(
                base,
                n_chains=N_PILOT_CHAINS,
                n_steps=N_ROTATIONS,
                force_precision=s["force_precision"],
                generator=generator,
                progress=self.work.progress,
            )
            return {name: getattr(flown, name).numpy() for name in MEASURED}

        part = self.work.keep("pilot", fly)
        measured = {name: torch.from_numpy(part[name]) for name in MEASURED}
        fixed = Course(**measured, n_steps=N_ROTATIONS, force_precision=s["force_precision"])
        return Annealing(fit, fixed, s["n_distributions"], s["n_chains"], self.work.progress)


def _inference_model(model: Weighted) -> str:
    """How tables name the inference model that a model brings with it."""
    if isinstance(model, PairsLevels):
        return "paper"
    return "forward process" if isinstance(model, Chain) else "encoder"


def random_rows(examples: Tensor, n: int, *, generator: torch.Generator) -> Tensor:
    """n of the examples (all, dim), drawn without repetition."""
    return examples[torch.randperm(len(examples), generator=generator, device=examples.device)[:n]]
