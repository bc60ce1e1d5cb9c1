"""The same as Envoy's gateway on the real nginx: who is let in, how often, with how much, and over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.config_models import RouterKind
from tests.fakes import gateway

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("check", gateway.CHECKS, ids=gateway.sentence)
def test_a_gateway(check: gateway.Check, tmp_path: Path) -> None:
    check(tmp_path, RouterKind.NGINX)
