"""How fast the suite is, beside its peers and the machine's own limit. Nothing of ours imports this package."""
