"""Keys that the program itself sends or hands on, from Pulumi's secrets: how one may stand in the config. Keeping it is SecretFile's."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from delivery.refusal import Refusal
from probes.programs import content_digest

API_KEY, GRADER_KEY = "apiKey", "graderKey"
_HEADER_TEXT = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class SecretKey:
    """A key as a secret output, and a digest that tells whether it changed."""

    value: pulumi.Output[str]
    digest: str


def read_key(field: str) -> SecretKey | None:
    """The configured key, None without one. Raises Refusal, which never shows the value."""
    key = f"verdigris:{field}"
    do = f"run `pulumi config set --secret {key} …`"
    text = CONFIG.get().get(key)
    if text is None:
        return None
    if not is_config_secret(key):
        raise Refusal(field, "a plain value", "a secret", "the stack's file is committed and its state is read by many", do)
    if not _HEADER_TEXT.fullmatch(text):
        raise Refusal(field, "an empty value or one with spaces", "letters, digits and signs", "it is sent in a header", do)
    return SecretKey(pulumi.Output.secret(text), content_digest([text.encode()]))
