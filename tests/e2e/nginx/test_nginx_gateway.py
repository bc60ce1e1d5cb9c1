"""The same as Envoy's gateway on the real nginx: who is let in, how often, with how much, and over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from delivery.config_models import RouterKind
from tests.fakes import gateway

pytestmark = pytest.mark.nginx
KIND = RouterKind.NGINX


def test_what_is_refused_reaches_no_engine(tmp_path: Path) -> None:
    gateway.check_refusals_reach_no_engine(tmp_path, KIND)


def test_engines_see_their_own_key_and_the_clients_name(tmp_path: Path) -> None:
    gateway.check_engines_see_their_own_key_and_the_clients_name(tmp_path, KIND)


def test_keys_change_without_a_restart(tmp_path: Path) -> None:
    gateway.check_keys_change_without_a_restart(tmp_path, KIND)


def test_each_key_has_a_limit_of_its_own(tmp_path: Path) -> None:
    gateway.check_each_key_has_a_limit_of_its_own(tmp_path, KIND)


def test_tls_and_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    gateway.check_tls_and_a_new_certificate_without_a_restart(tmp_path, KIND)
