"""The tables, one table or page a file, made from the records of all cells."""
