"""PaiNN on a GPU: neighbour lists that need no host, and recorded kernels."""
