"""The figures by name, each a function from a `Material` to a matplotlib figure."""

from collections.abc import Callable

from matplotlib.figure import Figure

from workflow.figures.bound_terms import bound_terms
from workflow.figures.certified_by_levels import certified_by_levels
from workflow.figures.chain_from_prior import chain_from_prior
from workflow.figures.denoising import denoising
from workflow.figures.likelihood_by_levels import likelihood_by_levels
from workflow.figures.likelihoods import likelihoods
from workflow.figures.material import Material
from workflow.figures.mixing import mixing
from workflow.figures.parzen import parzen
from workflow.figures.parzen_by_chain_steps import parzen_by_chain_steps
from workflow.figures.ranking import ranking
from workflow.figures.reconstructions import reconstructions
from workflow.figures.representation import representation
from workflow.figures.sample_quality import sample_quality
from workflow.figures.samples import samples
from workflow.figures.schedules import schedules
from workflow.figures.snapshots import snapshots

DRAWERS: dict[str, Callable[[Material], Figure]] = {
    "likelihoods": likelihoods,
    "likelihood_by_levels": likelihood_by_levels,
    "bound_terms": bound_terms,
    "schedules": schedules,
    "snapshots": snapshots,
    "certified_by_levels": certified_by_levels,
    "ranking": ranking,
    "reconstructions": reconstructions,
    "chain_from_prior": chain_from_prior,
    "denoising": denoising,
    "samples": samples,
    "sample_quality": sample_quality,
    "parzen": parzen,
    "parzen_by_chain_steps": parzen_by_chain_steps,
    "mixing": mixing,
    "representation": representation,
}
