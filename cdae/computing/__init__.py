"""What a computation needs besides mathematics: seeds, devices, precisions, chunks, files."""
