"""Which estimators are run on which model, and what they need beforehand: a fitted inference model, step sizes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from workflow.scripts import trained
from workflow.scripts.parts import Arrays, Parts

N_PILOT_POINTS, N_PILOT_BETAS = 25, 10  # training examples, one chain each; temperatures
GUIDED_EXAMPLES, GUIDED_BATCH = 2_000, 100  # of the training data, for the two numbers per level
GUIDED_UPDATES, GUIDED_LEARNING_RATE = 300, 0.03


@dataclass(frozen=True)
class Trial:
    """One estimator to run.

    Attributes:
        variant: the inference model, or the start of the annealing.
        n_test: number of test points.
        make: gives the estimator (a `cdae.estimators.sandwich.TwoSided`).
        facts: what else the table tells of it.
    """

    name: str
    variant: str
    n_test: int
    make: Callable[[], Any]
    facts: dict[str, float] = field(default_factory=dict)


class Trials:
    """The estimators of one cell; what they need is fitted on training examples, and kept in parts."""

    def __init__(self, config: dict[str, Any], data: Any, parts: Parts):
        self.config, self.settings, self.data, self.parts = config, config["certify"], data, parts

    def of(self, model: Any) -> Iterator[Trial]:
        """Every estimator that fits the model."""
        from cdae.estimators import sandwich
        from cdae.estimators.paths import CascadePath, PriorPath
        from cdae.estimators.proposals import PROPOSALS, variance_ratios
        from cdae.estimators.quadrature import Quadrature
        from cdae.interfaces import Denoises

        s, n = self.settings, self.settings["n_points"]
        weighted = s["importance_weighted"]
        n_draws, n_weighted = weighted["n_importance_samples"], weighted["n_points"]
        if not isinstance(model, Denoises):
            yield Trial("importance_weighted", "encoder", n_weighted, lambda: sandwich.encoder_sampling(model, n_draws))
            yield Trial("annealed", "prior", n, lambda: self._annealing(PriorPath(model), "sigmoid"))
            return
        guided = self._guided(model)
        inference_models = {name: make() for name, make in PROPOSALS.items()} | {"guided": guided}
        for name, proposal in inference_models.items():
            make = partial(sandwich.cascade_sampling, model, proposal, n_draws)
            ratio = variance_ratios(model, proposal).max().item()
            yield Trial("importance_weighted", name, n_weighted, make, {"largest_variance_ratio": ratio})
        paper = inference_models["paper"]
        yield Trial("all_pairs", "paper", n, lambda: sandwich.repeated_all_pairs(model, paper, **s["all_pairs"]))
        yield Trial("sequential", "guided", n, lambda: sandwich.repeated_sequential(model, guided, **s["sequential"]))
        yield Trial("annealed", "guided", n, lambda: self._annealing(CascadePath(model, guided), "linear"))
        if self.data.test.shape[1] == 1:
            yield Trial("exact", "quadrature", n, lambda: Quadrature(model))

    def _guided(self, model: Any) -> Any:
        """The guided inference model, fitted on training data."""
        import torch

        from cdae.estimators.proposals import Guided, fit_guided

        def fit() -> Arrays:
            generator = trained.generator(self.config, "certify, guided")
            examples = self.data.training.draw(generator=generator)
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

        part = self.parts.get("guided", fit)
        share, stds = (torch.from_numpy(part[name]).to(trained.device(self.config)) for name in ("share", "stds"))
        return Guided(share, stds)

    def _annealing(self, path: Any, schedule: str) -> Any:
        """Annealed importance sampling with step sizes from a pilot on training examples."""
        import torch

        from cdae.estimators import annealing
        from cdae.estimators.paths import SCHEDULES
        from cdae.estimators.sandwich import Annealing
        from cdae.estimators.step_sizes import StepSizes

        s = self.settings["annealing"]
        betas = SCHEDULES[schedule](min(N_PILOT_BETAS, s["n_distributions"]))

        def fly() -> Arrays:
            generator = trained.generator(self.config, "certify, pilot")
            examples = self.data.training.draw(generator=generator)
            x = random_rows(examples, N_PILOT_POINTS, generator=generator)
            settings = {"n_leapfrog": s["n_leapfrog"], "force_precision": s["force_precision"]}
            steps = annealing.pilot(path, x, betas, **settings, generator=generator)
            return {"sizes": steps.sizes.numpy(), "acceptance": steps.acceptance.numpy()}

        part = self.parts.get("pilot", fly)
        sizes, acceptance = torch.from_numpy(part["sizes"]), torch.from_numpy(part["acceptance"])
        steps = StepSizes(betas, sizes, acceptance, s["n_leapfrog"], s["force_precision"])
        return Annealing(path, SCHEDULES[schedule](s["n_distributions"]), steps, s["n_chains"])


def random_rows(examples: Any, n: int, *, generator: Any) -> Any:
    """n of the examples, drawn without repetition."""
    import torch

    return examples[torch.randperm(len(examples), generator=generator, device=examples.device)[:n]]
