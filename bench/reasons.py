"""Why goals are missed, by row: what profiles on an AMD EPYC processor with AVX-512 and without AMX show."""

REASONS = {
    "training": (
        "three quarters of the time are matrix products, which leave to use bfloat16 factors speeds up 2.1 times on a "
        "processor without AMX (203 for 97 GFLOP/s: float32 by another library) and 3 times on one with it; the fused "
        "Adam takes 5%, random numbers 5%, and were there nothing but the products the ratio would be about 3."
    ),
    "training-free-batch": (
        "the products are as fast at batch 256 as at 1,024, so a larger batch saves little more than updates of "
        "the parameters (5%), and learns less in as many epochs."
    ),
    "training-float32": (
        "what is no matrix product takes the rest: Adam, random numbers and the layers' nonlinearities."
    ),
    "levels": (
        "the refit before an epoch passes 512 examples at 100 levels, 51,200 rows forward beside 50,000 trained "
        "ones: 38% more arithmetic by itself, and all levels at once leave the cache. Fewer examples would change "
        "numbers, and level by level (1.40) so do sums, in their last digits."
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
