"""Draw the figures of one data set from its tables and pictures; weights are never read."""

import argparse
from pathlib import Path

from workflow.scripts.job import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--figures", nargs="+", required=True, help="names of the figures to draw")
    parser.add_argument("--tables", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--pictures", nargs="+", required=True, type=Path)
    parser.add_argument("--output-dir", required=True, type=Path)
    args = parser.parse_args()
    with job():
        import matplotlib as mpl

        mpl.use("agg")
        from workflow.scripts.figures import certified, chains, likelihood, material, parzen, pictures

        drawers = {
            "likelihood_by_levels": likelihood.likelihood_by_levels,
            "by_updates": likelihood.by_updates,
            "certified_by_levels": certified.certified_by_levels,
            "bound_terms": likelihood.bound_terms,
            "samples": pictures.samples,
            "chain_from_prior": pictures.chain_from_prior,
            "reconstructions": pictures.reconstructions,
            "parzen_bars": parzen.parzen_bars,
            "parzen_by_chain_steps": chains.parzen_by_chain_steps,
        }
        material.use_style()
        content = material.load(args.dataset, args.tables, args.data, args.pictures)
        for name in args.figures:
            material.save(drawers[name](content), args.output_dir / name)


if __name__ == "__main__":
    main()
