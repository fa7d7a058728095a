"""What a quantity is a measure of, where a report shows it beside others: by its role, whatever metric measures it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The role of a quantity in a report; its value is the short name that a reader sees.

    A metric gives a role to one of its quantities (`Quantity.role`); tables, figures and the deployment guide then show
    that quantity where the role is asked for. The order is that of the columns in a report's key numbers.
    """

    FORCE_RMSE = "force RMSE"
    FORCE_R2 = "force R²"
    FORCE_MAE = "force MAE"
    FORCE_ANGLE = "force angle"
    ENERGY_DRIFT = "energy drift"
    ENERGY_FLUCTUATION = "energy fluctuation"
    TEMPERATURE = "temperature"
    CRASHED = "crashed"
    STEP_TIME = "time a step"
    """Of one molecule, ms."""
    BATCH_TIME = "time a step of a batch"
    """Of the whole batch, ms, by its size."""
    PARAMETERS = "parameters"
    WEIGHTS = "memory of the weights"
    EVALUATION_MEMORY = "memory of evaluating"


KEY_ROLES = (
    Role.FORCE_RMSE,
    Role.FORCE_R2,
    Role.FORCE_MAE,
    Role.FORCE_ANGLE,
    Role.ENERGY_DRIFT,
    Role.ENERGY_FLUCTUATION,
    Role.TEMPERATURE,
    Role.CRASHED,
)
"""Roles of the key numbers of a model, by system and temperature, in the order of their columns."""
