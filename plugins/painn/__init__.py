"""PaiNN."""
