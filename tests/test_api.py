"""The public door."""

import pytest

from mdprotocol import api
from mdprotocol.api import reporting


def test_every_public_name_is_there_and_listed_once() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)


def test_the_failure_of_a_reference_is_still_found_by_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match="NoAnswer"):
        assert api.ReferenceFailure is api.NoAnswer
    assert "ReferenceFailure" not in api.__all__
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = api.Nothing


def test_what_has_no_answer_is_not_measurable() -> None:
    assert issubclass(api.NoAnswer, api.NotMeasurable)


def test_a_reference_is_a_teacher_or_data() -> None:
    assert issubclass(api.Teacher, api.Reference)
    assert issubclass(api.Teacher, api.Model)
    assert issubclass(api.Data, api.Reference)
    assert not issubclass(api.Data, api.Model)
    assert api.Data.__abstractmethods__ == {"frames", "trajectories", "values"}


def test_what_reporters_need_has_a_door_of_its_own() -> None:
    for name in reporting.__all__:
        with pytest.warns(DeprecationWarning, match=r"is now in mdprotocol\.api\.reporting"):
            assert getattr(api, name) is getattr(reporting, name)
        assert name not in api.__all__
    assert set(api.REPORTING) == set(reporting.__all__)
