"""The loaders: each data set has one function that returns `cdae.data.RawData`, and `registry` lists them."""
