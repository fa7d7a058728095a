"""PaiNN on a CPU, fused and compiled."""
