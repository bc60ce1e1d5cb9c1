"""In which order the tests of this tier run, and which of them share a worker. Stacks are tests/fakes/live_stack.py's.

One stack serves all tests of a module, so these stay together; the longest come first, or the last worker would work alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST_FIRST = (
    "test_invariant_02_rolling_forward_and_reverts",
    "test_two_services_behind_one_router",
    "test_invariant_04_an_interrupted_up_is_finished_or_undone",
    "test_invariant_01_no_raise_without_receipts",
    "test_bench",
    "test_invariant_02_rollback_from_a_broken_color",
    "test_drift",
    "test_invariant_06_no_pool_changes_under_traffic",
    "test_envoy_router",
    "test_invariant_03_the_split_is_a_transaction",
    "test_invariant_07_gates_fail_closed",
    "test_standby",
    "test_invariant_09_services_are_independent",
    "test_invariant_11_secrets_stay_secret",
)
SPLIT_BY_PARAMETER = "test_two_services_behind_one_router.py"
"""Its stacks are as many as its parameters, so each can have another worker."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first; the order within a module stays."""
    here = Path(__file__).parent
    items.sort(key=lambda item: _place(item.path.stem) if item.path.parent == here else -1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Where `--dist loadfile` is asked for: the same, with the parameters of one module apart."""
    return ByStack(config, log) if config.getoption("dist") == "loadfile" else None


class ByStack(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a worker all tests that use one stack."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return nodeid[nodeid.find("[") :] if file.endswith(SPLIT_BY_PARAMETER) and "[" in test else file


def _place(module: str) -> int:
    return LONGEST_FIRST.index(module) if module in LONGEST_FIRST else len(LONGEST_FIRST)
