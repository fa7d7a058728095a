"""The distillation recipe: GFN2-xTB labels in, three PaiNN students out. See ../README.md; `distil.py` is the command."""
