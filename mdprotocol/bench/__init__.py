"""The bench: how fast a protocol's models step on this machine, side by side with what users do without this program.

Everything that is compared is measured in turn, in short bursts, in one process, so that a machine that slows down slows
both sides down; what is reported of two things is the median of their ratios, with its spread.
"""
