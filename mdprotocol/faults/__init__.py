"""Planted faults: what can be wrong with a model, its dynamics or its evidence, made on purpose. For the self-test."""

from mdprotocol.faults.catalogue import CATALOGUE, chosen
from mdprotocol.faults.fault import Change, Fault
from mdprotocol.faults.oracle import NAME as ORACLE
from mdprotocol.faults.oracle import Oracle, oracle_protocol
from mdprotocol.faults.wrapping import FaultyForceField, FaultyModel, Flaw

__all__ = [
    "CATALOGUE",
    "ORACLE",
    "Change",
    "Fault",
    "FaultyForceField",
    "FaultyModel",
    "Flaw",
    "Oracle",
    "chosen",
    "oracle_protocol",
]
