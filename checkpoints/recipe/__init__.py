"""The distillation recipe: GFN2-xTB labels in, three PaiNN students out (../README.md); `distil.py` is the command."""
