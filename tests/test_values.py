"""Values behave as frozen dataclasses do, and cost less at the start."""

from __future__ import annotations

import copy
import pickle

import pytest

from crlf.values import as_dict, frozen, record, replace


@frozen
class Point:
    """A place."""

    x: int
    y: int = 2

    def sum(self) -> int:
        return self.x + self.y


@frozen
class Checked:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("less than nothing")


@record
class Counted:
    name: str
    count: int = 0


def test_fields_come_by_position_by_name_and_by_default() -> None:
    assert as_dict(Point(1)) == {"x": 1, "y": 2}
    assert Point(1, 3) == Point(y=3, x=1)
    assert Point(1).sum() == 3
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert Point.__doc__ == "A place."


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2})]
)
def test_what_does_not_fit_is_a_type_error(given: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*given, **named)


def test_a_value_does_not_change_and_can_be_a_key() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="x"):
        point.x = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 5  # type: ignore[attr-defined]
    assert {point: "here"}[Point(1)] == "here"
    assert point != (1, 2)


def test_copies() -> None:
    point = Point(1)
    assert replace(point, y=9) == Point(1, 9)
    assert pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == point
    with pytest.raises(TypeError):
        replace(point, z=1)


def test_a_value_may_check_itself() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Checked(-1)
    with pytest.raises(ValueError, match="nothing"):
        replace(Checked(1), size=-1)


def test_a_record_changes_and_is_no_key() -> None:
    counted = Counted("a")
    counted.count += 1
    assert counted == Counted("a", 1)
    with pytest.raises(TypeError):
        hash(counted)
    with pytest.raises(AttributeError):
        counted.other = 1  # type: ignore[attr-defined]


def test_matching() -> None:
    match Point(1, 7):
        case Point(1, y):
            assert y == 7
        case _:
            pytest.fail("no match")
