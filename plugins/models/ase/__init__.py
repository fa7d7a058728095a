"""Calculators of ASE as models."""
