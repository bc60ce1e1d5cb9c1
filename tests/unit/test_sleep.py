"""Putting engines to sleep and waking them, on simulated ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from probes.sleep import awake_engines, put_to_sleep, wake
from tests.fakes.engines import SimulatorProcess, port_of_this_worker, start_simulator

PORT = port_of_this_worker(22_400)
NOBODY = f"127.0.0.1:{PORT + 2}"


@pytest.fixture(scope="module")
def engines() -> Iterator[list[str]]:
    """Two engines with sleep mode."""
    with start_simulator(PORT), start_simulator(PORT + 1):
        yield [f"127.0.0.1:{PORT}", f"127.0.0.1:{PORT + 1}"]


def test_every_engine_of_a_pool_sleeps_until_it_is_woken(engines: list[str]) -> None:
    assert awake_engines(engines, None) == dict.fromkeys(engines)
    assert put_to_sleep(engines, None) == {}
    assert awake_engines(engines, None) == {}
    said: list[str] = []
    wake(engines, None, said.append)
    assert sorted(said) == [f"waking {engine}" for engine in engines]
    assert awake_engines(engines, None) == dict.fromkeys(engines)
    wake(engines, None, said.append)
    assert len(said) == 2


def test_an_engine_that_is_gone_hinders_nobody_and_is_named(engines: list[str]) -> None:
    assert set(put_to_sleep([NOBODY, *engines], None)) == {NOBODY}
    assert set(awake_engines([NOBODY, *engines], None)) == {NOBODY}
    wake([NOBODY, *engines], None, lambda _line: None)
    assert set(awake_engines(engines, None)) == set(engines)


def test_an_engine_without_sleep_mode_stays_awake_and_says_why() -> None:
    with start_simulator(PORT + 3, env={"VLLM_SERVER_DEV_MODE": "0"}) as engine:
        address = f"127.0.0.1:{engine.port}"
        assert isinstance(engine, SimulatorProcess)
        assert "404" in put_to_sleep([address], None)[address]
        assert awake_engines([address], None) == {address: None}
