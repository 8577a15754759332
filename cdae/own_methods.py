"""Which methods of a user's own model are called, and which three more are made of simpler ones.

    simulate      of a decoder with `sample_x(z, *, generator)`, which draws x from p(x | z), and z ~ N(0, I)
    sample_sets   of `sample(n_samples, *, generator)`, or of `simulate`
    parameters    of every model, as of torch's modules

Imports no torch, because the pipeline asks before anything runs.
"""

FORWARDED = frozenset({
    "bound_terms", "fit_closed_form", "infer", "log_likelihood", "log_prob", "log_weights", "loss", "refit",
    "sample_sets", "simulate",
})  # fmt: skip
OF_DECODERS = frozenset({"log_likelihood", "sample_x"})
FOR_SAMPLES = frozenset({"sample", "simulate"})
READ = FORWARDED | OF_DECODERS | FOR_SAMPLES  # the methods that matter


def usable(written: frozenset[str]) -> frozenset[str]:
    """What may be called of a model, from the names of the methods that it has."""
    names = (written & FORWARDED) | {"parameters"}
    if written >= OF_DECODERS:
        names |= {"simulate"}
    if written & {"sample"} or names & {"simulate"}:
        names |= {"sample_sets"}
    return names
