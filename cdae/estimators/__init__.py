"""Estimators of log p(x), one a file, and their parts; they use the Protocols of `interfaces` and no concrete model."""
