"""Checkpoints of the project MLFF-Distiller, as its three M6 students are stored."""
