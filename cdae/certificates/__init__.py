"""Certificates: both sides of log p(x) of one model by every estimator that fits it, and what may be claimed."""
