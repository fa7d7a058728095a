"""Faults in a plan: which are chosen, how each is planted, and the oracle that is sound by construction.

What can be wrong is in plugins (`mdprotocol.contracts.faults`); here is what puts it where it acts.
"""
