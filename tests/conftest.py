"""What all tests share: a marker that follows from the folder, so that `-m 'not vllm'` works without naming it twice.

Owns markers only. Fakes are in tests/fakes/; fixtures of one tier are in that tier's own conftest.py.
"""

from pathlib import Path

import pytest

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in tests/e2e/<name>/ as <name>."""
    for item in items:
        if item.path.is_relative_to(END_TO_END):
            item.add_marker(item.path.relative_to(END_TO_END).parts[0])
