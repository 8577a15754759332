"""Rows of text as a table of aligned columns, to be printed."""


def text_table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their longest entries, with two spaces between them; the first row is their titles."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
