"""The models that the cascade is compared with, and the registry of all model kinds."""
