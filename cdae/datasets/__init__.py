"""Loaders: one function per data set, returning `cdae.data.RawData`; `registry` names them."""
