"""Cascading Denoising Auto-Encoders and the likelihood estimators that every model here shares."""
