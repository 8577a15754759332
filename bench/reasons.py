"""Why goals are missed, by row: what a profile of an AMD EPYC processor with AVX-512 and without AMX shows."""

REASONS = {
    "parzen-sklearn": "",
}
