"""The pipeline around the library: rules, schemas and entry points."""
