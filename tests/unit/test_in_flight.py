"""When a color counts as drained."""

from __future__ import annotations

import pytest

from delivery.in_flight import InFlight, verdict


@pytest.mark.parametrize(
    ("router", "engines", "still"),
    [
        (0, {"e1": 0}, None),
        (0, {}, None),
        (None, {"e1": 0}, None),
        (None, {}, None),
        (2, {"e1": 0}, "2 requests open at the router"),
        (0, {"e1": 0, "e2": 3}, "3 requests at e2"),
        (0, {"e1": None}, None),
        (None, {"e1": None}, "no count from e1 and none from the router"),
        (1, {"e1": None}, "1 requests open at the router"),
    ],
)
def test_a_color_is_drained_only_when_everybody_who_can_hold_a_request_says_so(
    router: int | None, engines: dict[str, int | None], still: str | None
) -> None:
    assert verdict(InFlight(router, engines)) == still
