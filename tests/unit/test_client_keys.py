"""The keys of clients as they stand in the config: which are taken, and that no refusal shows one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from delivery.client_keys import limit_refusals, parse_client_keys
from delivery.config import parse_config
from delivery.desired import model_refusals
from delivery.refusal import Refusals
from probes.stack_file import plain_entries
from tests.unit.config_cases import changed

ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"


def refusal_of(keys: object, *, is_secret: bool = True) -> str:
    with pytest.raises(Refusals) as caught:
        parse_client_keys(json.dumps(keys), is_secret=is_secret)
    return "\n".join(map(str, caught.value.refusals))


def test_names_and_keys_are_taken_as_they_are() -> None:
    assert parse_client_keys(json.dumps({"bob": BOB, "alice": ALICE}), is_secret=True) == {"alice": ALICE, "bob": BOB}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "clientKeys: got no map of keys, need a name and a key"),
        ([ALICE], "clientKeys: got no map of keys"),
        (ALICE, "clientKeys: got no map of keys"),
        ({"Alice": ALICE}, "clientKeys: got 'Alice', need a name of a to z"),
        ({"a b": ALICE}, "clientKeys: got 'a b', need a name"),
        ({"alice": "sk-short"}, "clientKeys.alice: got a value that is no key (not shown), need 16 to 256"),
        ({"alice": "sk-alice with spaces"}, "clientKeys.alice: got a value that is no key"),
        ({"alice": 1234567890123456}, "clientKeys.alice: got a value that is no key"),
        ({"alice": {"key": ALICE}}, "clientKeys.alice: got a value that is no key"),
        ({"alice": ALICE, "bob": ALICE}, "clientKeys.bob: got a key that another client has too"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(keys: object, words: str) -> None:
    text = refusal_of(keys)
    assert words in text
    assert "pulumi config set --secret --path 'verdigris:clientKeys." in text
    assert not [word for word in (ALICE, "sk-short", "with spaces", "1234567890123456") if word in text]


def test_keys_in_plain_text_are_refused() -> None:
    text = refusal_of({"alice": ALICE}, is_secret=False)
    assert "plain text in the stack's file, need secrets" in text
    assert ALICE not in text


def plain_in(folder: Path, config: object) -> dict[str, str]:
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    return plain_entries(folder, "dev", "verdigris:clientKeys")


def test_a_plain_key_among_encrypted_ones_is_refused_by_its_client_and_not_shown(tmp_path: Path) -> None:
    plain = plain_in(tmp_path, {"verdigris:clientKeys": {"alice": {"secure": "v1:abc"}, "bob": BOB}})
    assert plain == {"bob": BOB}
    with pytest.raises(Refusals) as caught:
        parse_client_keys(json.dumps({"alice": ALICE, "bob": BOB}), is_secret=True, plain=plain)
    (refusal,) = map(str, caught.value.refusals)
    assert refusal.startswith("clientKeys.bob: got plain text in the stack's file (not shown), need a secret as the others are because")
    assert "give bob a new key, run: pulumi config set --secret --path 'verdigris:clientKeys.bob'" in refusal
    assert not {ALICE, BOB} & set(refusal.split())


def test_the_file_of_another_stack_s_keys_is_no_evidence(tmp_path: Path) -> None:
    plain = plain_in(tmp_path, {"verdigris:clientKeys": {"bob": ALICE, "carol": BOB}})
    assert parse_client_keys(json.dumps({"bob": BOB}), is_secret=True, plain=plain) == {"bob": BOB}


@pytest.mark.parametrize("config", [None, [], {}, {"verdigris:clientKeys": None}, {"verdigris:clientKeys": {"secure": "v1:abc"}}])
def test_a_stack_file_without_plain_keys_has_none(tmp_path: Path, config: object) -> None:
    assert plain_in(tmp_path, config) == {}
    assert plain_entries(tmp_path, "another", "verdigris:clientKeys") == {}


def test_a_limit_needs_keys_to_count_by() -> None:
    limited = parse_config(changed({"router.rateLimit": {"requestsPerMinute": 600}}))
    [refusal] = limit_refusals(limited, keyed=False)
    assert str(refusal).startswith("router.rateLimit: got a limit and no clientKeys, need keys for the clients because")
    assert limit_refusals(limited, keyed=True) == []
    assert limit_refusals(parse_config(changed({})), keyed=False) == []


def test_services_of_one_model_are_refused_where_the_model_tells_them_apart() -> None:
    by_model = parse_config(changed({"router.routing": "model", "services.chat.pathPrefix": "/", "services.code.pathPrefix": "/"}))
    assert model_refusals(by_model, {"chat": "m1", "code": "m2"}) == []
    [refusal] = model_refusals(by_model, {"code": "m1", "chat": "m1"})
    assert str(refusal).startswith("services.code: got the model 'm1', which chat serves too, need a model of its own because")
    assert model_refusals(parse_config(changed({})), {"code": "m1", "chat": "m1"}) == []
