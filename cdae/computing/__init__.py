"""Tools of computation without mathematics: seeds, devices, precisions, chunks and files."""
