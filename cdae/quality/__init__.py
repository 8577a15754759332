"""What samples are worth: beside real examples in a classifier's features, and how a chain mixes between classes."""
