"""Rows of a cell's certification that another of its rows surpasses (`cdae.certificates.surpassed`)."""

from cdae.certificates.surpassed import AtPoints
from cdae.certificates.surpassed import surpassed as surpassed_of
from workflow.grid.record import OK
from workflow.tables.cells import Certified


def surpassed(cell: Certified, threshold_nats: float) -> set[str]:
    """Keys of the rows above which another row lies by more than 3 standard errors, and by more than the threshold.

    Args:
        threshold_nats: the smallest mean difference that matters.
    """
    rows = [row.key for row in cell.record.rows if row.status == OK and f"{row.key}/values" in cell.values]
    found = {key: AtPoints(cell.values[f"{key}/indices"], cell.values[f"{key}/values"]) for key in rows}
    return surpassed_of(found, threshold_nats)
