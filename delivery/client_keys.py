"""The keys by which a router knows its clients, and the rules about them. No refusal here shows a key."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from delivery.config_models import StackConfig
from delivery.refusal import Refusal, Refusals

FIELD = "clientKeys"
CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""It stands in access logs and in a header to engines."""

CLIENT_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")
"""What may stand behind `Bearer` (RFC 6750), and at least 16 of it, so that nobody guesses one."""

MAX_CLIENTS = 10_000
_SET = "pulumi config set --secret --path 'verdigris:clientKeys.alice' \"sk-$(openssl rand -hex 16)\""


def parse_client_keys(text: str, *, is_secret: bool, plain: Mapping[str, str] | None = None) -> dict[str, str]:
    """Names and keys from the value of `verdigris:clientKeys`. Raises Refusals; `is_secret` says whether Pulumi keeps it as a secret,
    which it does for the whole map once one key is encrypted: `plain` are the entries that the stack's file shows to its readers."""
    if not is_secret:
        got, because = "plain text in the stack's file", "whoever reads the file could use the keys"
        raise Refusals([Refusal(FIELD, got, "secrets", because, f"replace the keys and run: {_SET}")])
    value = _parsed(text)
    if not isinstance(value, dict) or not value:
        raise Refusals([Refusal(FIELD, "no map of keys", "a name and a key for each client", "without any nobody gets in", f"run: {_SET}")])
    broken = [*_mistakes(value), *_readable(value, plain or {})]
    if broken:
        raise Refusals(broken)
    return dict(value)


def limit_refusals(config: StackConfig, *, keyed: bool) -> list[Refusal]:
    """What the config asks for and can't have without keys."""
    if keyed or config.router.rate_limit is None:
        return []
    because = "the limit is counted for each key: addresses are shared by many clients and changed by one"
    return [Refusal("router.rateLimit", "a limit and no clientKeys", "keys for the clients", because, f"remove it, or run: {_SET}")]


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _mistakes(keys: Mapping[str, object]) -> Iterator[Refusal]:
    if len(keys) > MAX_CLIENTS:
        yield Refusal(FIELD, f"{len(keys)} keys", f"at most {MAX_CLIENTS}", "the router keeps a counter for each", "share keys")
    times = Counter(key for key in keys.values() if isinstance(key, str))
    for name, key in sorted(keys.items()):
        path = f"{FIELD}.{name}"
        if not CLIENT_NAME.fullmatch(name):
            need = "a name of a to z, 0 to 9, '.', '_' and '-', at most 63"
            yield Refusal(FIELD, repr(name), need, "it stands in logs and headers", f"run: {_SET}")
        elif not isinstance(key, str) or not CLIENT_KEY.fullmatch(key):
            need = "16 to 256 of the letters, digits and signs . _ ~ + / = -"
            yield Refusal(path, "a value that is no key (not shown)", need, "it is sent behind `Bearer`", _advice(name))
        elif times[key] > 1:
            because = "the router couldn't tell which of them it is"
            yield Refusal(path, "a key that another client has too", "a key of its own", because, _advice(name))


def _readable(keys: Mapping[str, object], plain: Mapping[str, str]) -> Iterator[Refusal]:
    """Keys that stand in the stack's file as they are. Another text than the key's is of another file than the one that was used."""
    for name in sorted(keys.keys() & plain.keys()):
        if plain[name] == str(keys[name]):
            got, because = "plain text in the stack's file (not shown)", "whoever reads the file could use the key"
            yield Refusal(f"{FIELD}.{name}", got, "a secret as the others are", because, f"give {name} a new key, {_advice(name)}")


def _advice(name: str) -> str:
    return f"run: {_SET.replace('alice', name)}"
