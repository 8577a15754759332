"""Cascading Denoising Auto-Encoders, and the likelihood estimators that all models of this benchmark share."""
