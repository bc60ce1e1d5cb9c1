"""Who uses which GPU, and that nobody gets more than there is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.color import Color
from delivery.config import parse_config
from delivery.gpus import gpu_shares, gpu_uses
from delivery.refusal import Refusals
from tests.unit.config_cases import VALID, changed


def test_each_gpu_lists_its_pools_and_their_fractions() -> None:
    assert gpu_uses(parse_config(VALID)) == {0: [("chat blue", 0.45)], 1: [("chat blue", 0.45), ("chat green", 0.5)]}


def test_only_running_pools_are_counted_when_asked() -> None:
    assert gpu_uses(parse_config(VALID), frozenset({("chat", Color.GREEN)})) == {0: [], 1: [("chat green", 0.5)]}


def test_a_pool_alone_takes_what_the_engine_takes_by_default() -> None:
    config = parse_config(changed({"services.code.green.gpus": [7]}))
    assert gpu_uses(config)[7] == [("code green", 0.92)]
    assert gpu_shares(config)[7][0].fraction is None


def test_replicas_get_equal_shares_of_the_gpus_in_order() -> None:
    pool = parse_config(changed({"services.chat.blue.gpus": [4, 5, 6, 7]})).services["chat"].blue
    assert pool is not None
    assert (pool.tensor_parallel_size, pool.gpus_of(0), pool.gpus_of(1)) == (2, (4, 5), (6, 7))


def test_a_pool_without_gpus_has_engines_without_gpus() -> None:
    pool = parse_config(VALID).services["code"].green
    assert pool is not None
    assert (pool.tensor_parallel_size, pool.gpus_of(0)) == (1, ())


def test_fractions_that_sum_to_exactly_one_are_accepted() -> None:
    parse_config(changed({"services.chat.blue.gpuMemoryUtilization": 0.7, "services.chat.green.gpuMemoryUtilization": 0.3}))
    parse_config(changed({"services.chat.blue.gpuMemoryUtilization": 0.1, "services.chat.green.gpuMemoryUtilization": 0.9}))


@settings(deadline=None, database=None, max_examples=200)
@given(st.floats(0.01, 1), st.floats(0.01, 1), st.booleans())
def test_two_pools_share_a_gpu_only_within_its_memory(blue: float, green: float, together: bool) -> None:
    pools: dict[str, Any] = {
        "services.chat.blue.gpuMemoryUtilization": blue,
        "services.chat.green.gpuMemoryUtilization": green,
        "services.chat.green.gpus": [1 if together else 2],
    }
    if together and blue + green > 1 + 1e-6:
        with pytest.raises(Refusals, match="at most 1 on each GPU"):
            parse_config(changed(pools))
    elif not together or blue + green <= 1:
        parse_config(changed(pools))
