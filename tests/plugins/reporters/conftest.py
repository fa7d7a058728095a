"""Reports in every state, by name."""

import pytest

from mdprotocol.testing import reports

KINDS = ("sound", "troubled", "several", "hostile", "empty")


@pytest.fixture(scope="session", params=KINDS)
def report(request):
    """One report after the other; its figures are drawn once for all tests."""
    return _made(request.param)


@pytest.fixture(scope="session")
def made():
    """Report by name."""
    return _made


_cache = {}


def _made(kind):
    return _cache.setdefault(kind, getattr(reports, f"{kind}_report")())
