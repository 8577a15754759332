"""Why goals are missed, by row: what profiles on an AMD EPYC processor with AVX-512 and without AMX show."""

REASONS = {
    "training": (
        "without bfloat16 products every layer is computed in float32, and were there nothing but products the ratio "
        "would be about 1.5; with leave to use bfloat16 factors alone about 3."
    ),
    "training-free-batch": (
        "larger batches are faster, but in as many epochs they make fewer updates and learn less; batch 256 is as "
        "good, and three quarters of the loop's time are matrix products, which bfloat16 speeds up 4.6 times."
    ),
    "training-float32": (
        "what is no matrix product takes the rest: Adam, random numbers and the layers' nonlinearities."
    ),
    "levels": (
        "the refit before an epoch passes 163 examples at 100 levels, 16,300 rows forward beside 50,000 trained."
    ),
    "parzen-sklearn": (
        "half of our time is one matrix product at the speed of torch.mm and a quarter is exp, so that even the "
        "product by itself would be near 330 times as fast; scikit-learn takes 0.4 of the seconds that the goal "
        "was set with."
    ),
    "parzen-logsumexp": ("half of our time is one matrix product at the speed of torch.mm, and a quarter is exp."),
    "importance": ("what is no matrix product takes the rest: random numbers, the nonlinearities and the densities."),
    "annealing": ("what is no matrix product takes the rest: densities in float64 and their gradients."),
    "chains": ("a step adds two draws of a normal per pixel to its forward pass."),
    "again": (
        "half of it is importing snakemake, and the rest reading its files, the graph of 96 jobs and their hashes;"
        " little of it is ours."
    ),
}
