"""Estimators of log p(x), one a file, and what they are made of; none of them sees a concrete model."""
