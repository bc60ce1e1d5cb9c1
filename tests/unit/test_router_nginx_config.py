"""nginx's texts without nginx: what a shift changes, what is quoted, and what can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.color import Weights
from delivery.config_models import RouterKind
from delivery.nginx_config import MAIN_FILE, command, nginx_files
from delivery.nginx_service import http_text, weights_in_http_text, weights_of_json
from delivery.nginx_syntax import quoted, variable
from delivery.refusal import Refusal
from delivery.topology import Pool, ServiceRoute, Topology

SECRET = "the-secret"
POOL = Pool(release="r", engines=("127.0.0.1:1", "127.0.0.1:2"))
CHAT = ServiceRoute(name="chat", blue=POOL, green=POOL)
CODE = ServiceRoute(name="code", path_prefix="/code", sticky_header="X-Who", blue=POOL)


def topology(*services: ServiceRoute) -> Topology:
    return Topology(
        kind=RouterKind.NGINX, router_host="127.0.0.1", router_port=80, admin_port=81, forced_color_secret=SECRET, services=services
    )


@given(st.integers(0, 100))
def test_weights_can_be_read_back(blue: int) -> None:
    assert weights_in_http_text(http_text(CHAT, Weights(blue, 100 - blue), SECRET)) == Weights(blue, 100 - blue)
    assert weights_in_http_text(http_text(CHAT, None, SECRET)) is None


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"blue": 1, "green": 1}', '"75"', "[1]"])
def test_what_are_not_weights_is_not_taken_for_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        weights_of_json(text)


def test_a_shift_changes_one_file() -> None:
    before = nginx_files(topology(CHAT, CODE), {"chat": Weights(100, 0), "code": Weights(100, 0)})
    after = nginx_files(topology(CODE, CHAT), {"chat": Weights(75, 25), "code": Weights(100, 0)})
    assert [name for name in after if before[name] != after[name]] == ["services.d/chat.http"]


def test_a_color_with_weight_0_is_neither_chosen_nor_retried() -> None:
    text = http_text(CHAT, Weights(100, 0), SECRET)
    assert "  * blue;\n}" in text
    assert "@verdigris-other-chat" not in text
    assert "@verdigris-other-chat" in http_text(CHAT, Weights(99, 1), SECRET)


def test_a_weight_on_a_color_without_a_pool_is_refused() -> None:
    assert nginx_files(topology(CODE), {"code": Weights(100, 0)})
    with pytest.raises(Refusal, match=r"services\.code\.green: got weight 1 and no pool"):
        nginx_files(topology(CODE), {"code": Weights(99, 1)})


def test_the_secret_is_in_the_files_of_services_only_and_in_no_command_line() -> None:
    texts = nginx_files(topology(CHAT), {"chat": Weights(100, 0)})
    assert [name for name, text in texts.items() if SECRET in text.replace("\\", "")] == ["services.d/chat.http"]
    assert SECRET not in " ".join(command("nginx", "/srv"))
    assert "listen 127.0.0.1:81;" in texts[MAIN_FILE]


def test_texts_are_quoted_for_nginx_and_variables_are_refused() -> None:
    assert quoted("it's a \\ thing") == "'it\\'s a \\\\ thing'"
    with pytest.raises(ValueError, match="variable"):
        quoted("costs $5")


@given(st.text("abB1_-.", min_size=1, max_size=4), st.text("abB1_-.", min_size=1, max_size=4))
def test_services_never_share_a_variable_whose_names_have_no_case(one: str, other: str) -> None:
    assert (variable(one, "color").lower() == variable(other, "color").lower()) == (one == other)
