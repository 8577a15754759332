"""Models to compare the cascade with, and the registry of all model kinds."""
