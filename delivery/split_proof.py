"""Do the colors that answered fit the weights? Owns the bound; sending the probes is probes/color_count.py's."""

from __future__ import annotations

import math
from collections.abc import Mapping

from delivery.color import Color, Weights

ALPHA = 1e-6  # two-sided chance of refusing a split that is right: once in a million shifts


def judge(
    observed: Mapping[Color, int] | Mapping[Color | None, int],
    target: Weights,
    alive: Mapping[Color, bool],
    rising: Color | None = None,
) -> str | None:
    """None when the probes prove the target, else the reason with its numbers.

    `observed` counts answers by color; the key None counts probes that no color answered. A color that `alive` calls dead is excused
    from its share, unless it is the rising one: retries carry it to the other color, or it is lost when the engines are not dead but
    hang, and then it counts as that color's. A color missing there counts as alive.
    """
    counts: dict[Color | None, int] = {color: count for color, count in observed.items()}  # noqa: C416 (widens the type of the keys)
    probes = sum(counts.values())
    if probes == 0:
        return f"no probe was sent, so {target} is not proven"
    lost = counts.get(None, 0)
    hanging = next((color for color in Color if target.of(color) and color is not rising and not alive.get(color, True)), None)
    if lost and (hanging is None or lost > _expected_range(probes, target.of(hanging) / 100)[1]):
        return f"{lost} of {probes} probes were answered by no color at {target}"
    if hanging is not None:
        counts[hanging] = counts.get(hanging, 0) + lost
    for color in Color:
        reason = _judge_color(counts, color, target, probes, alive, rising)
        if reason:
            return reason
    return None


def probes_needed(target: Weights) -> int:
    """The fewest probes with which silence of the smaller color is a surprise (1 at 0/100, where every probe is checked)."""
    smaller = min(target.blue, target.green)
    return 1 if smaller == 0 else math.floor(math.log(ALPHA / 2) / math.log(1 - smaller / 100)) + 1


def _judge_color(
    counts: Mapping[Color | None, int], color: Color, target: Weights, probes: int, alive: Mapping[Color, bool], rising: Color | None
) -> str | None:
    weight, count = target.of(color), counts.get(color, 0)
    if weight in (0, 100):
        need = probes if weight else 0
        return None if count == need else f"{color} answered {count} of {probes} probes at weight {weight}, need {need}"
    lowest, highest = _expected_range(probes, weight / 100)
    excused = not alive.get(color, True) and color is not rising
    if count < lowest and not excused:
        return f"{color} answered {count} of {probes} probes at weight {weight}, need {lowest} to {highest}"
    covers_for_other = not alive.get(color.other, True) and color.other is not rising
    if count > highest and not covers_for_other:
        return f"{color} answered {count} of {probes} probes at weight {weight}, need {lowest} to {highest}"
    return None


def _expected_range(probes: int, rate: float) -> tuple[int, int]:
    # The import takes a fifth of a second; all or nothing, as after a rollback, is proven by counting.
    from delivery.binomial import expected_range

    return expected_range(probes, rate, ALPHA)
