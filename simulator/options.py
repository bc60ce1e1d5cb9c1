"""The command line of the simulator. Flags that vLLM has and the simulator has no use for are accepted and ignored."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from simulator.faults import Faults


class WhileStopping(StrEnum):
    """What new requests meet between SIGTERM and the end of the process."""

    REFUSE = "refuse"
    """No new connections; 503 on connections that are open."""
    ABORT = "abort"
    """vLLM 0.32: connections are accepted and answered with status 200 and finish_reason "abort"."""


@dataclass(frozen=True)
class Options:
    """How one simulated engine behaves. Times are in the unit of their name."""

    host: str
    port: int
    model: str
    served_model_names: tuple[str, ...]
    startup_seconds: float
    first_token_cold_ms: float
    first_token_warm_ms: float
    token_ms: float
    max_model_len_tokens: int
    max_num_seqs: int
    answer_tokens: int
    shutdown_timeout_seconds: float
    while_stopping: WhileStopping
    wake_seconds: float
    seed: int
    exit_at_start: bool
    api_key: str
    """Empty: no key is asked for."""
    dev_mode: bool
    """VLLM_SERVER_DEV_MODE=1: only then do /sleep, /wake_up and /is_sleeping exist, as in vLLM."""
    keep_alive_seconds: float
    """How long idle connections stay open. vLLM's default of 5 s (VLLM_HTTP_TIMEOUT_KEEP_ALIVE) is kept: a router that keeps
    them longer meets the same race here."""
    faults: Faults


def parse_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Read the command line and the variables of vLLM's environment that matter here. Exits with status 2 and a line on a bad flag."""
    parser = _parser()
    given, ignored = parser.parse_known_args(arguments)
    if any(flag.split("=")[0] == "--api-key" for flag in ignored):
        parser.error("--api-key: a secret in argv can be read by everyone on the machine; set VLLM_API_KEY in the environment")
    if ignored:
        print(f"simulator: ignores {' '.join(ignored)}", file=sys.stderr)
    model = given.model or (given.served_model_name or ["simulator"])[0]
    try:
        faults = Faults().changed({name: getattr(given, name) for name in Faults().as_json()})
    except ValueError as error:
        parser.error(str(error))
    return Options(
        host=given.host,
        port=given.port,
        model=model,
        served_model_names=tuple(given.served_model_name or [model]),
        startup_seconds=given.startup_seconds,
        first_token_cold_ms=given.first_token_cold_ms,
        first_token_warm_ms=given.first_token_warm_ms,
        token_ms=given.token_ms,
        max_model_len_tokens=given.max_model_len,
        max_num_seqs=given.max_num_seqs,
        answer_tokens=given.answer_tokens,
        shutdown_timeout_seconds=given.shutdown_timeout,
        while_stopping=WhileStopping(given.while_stopping),
        wake_seconds=given.wake_seconds,
        seed=given.seed,
        exit_at_start=given.exit_at_start,
        api_key=environment.get("VLLM_API_KEY", ""),
        dev_mode=environment.get("VLLM_SERVER_DEV_MODE", "0") == "1",
        keep_alive_seconds=float(environment.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "5")),
        faults=faults,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8000)
    add("--model", default="")
    add("--served-model-name", nargs="+", default=[])
    add("--max-model-len", type=int, default=8192, help="tokens; a character is a token here")
    add("--max-num-seqs", type=int, default=256, help="requests running at once; more wait, as in vLLM")
    add("--shutdown-timeout", type=float, default=0.0, help="seconds that requests in flight get after SIGTERM; 0 aborts them")
    add("--seed", type=int, default=0)
    add("--startup-seconds", type=float, default=0.0, help="the port is bound only then, as in vLLM")
    # Cold against warm is five to one, the middle of the 4 to 7 that fresh vLLM processes were seen to take.
    add("--first-token-cold-ms", type=float, default=25.0, help="for a prompt prefix that this process hasn't seen")
    add("--first-token-warm-ms", type=float, default=5.0)
    add("--token-ms", type=float, default=1.0)
    add("--answer-tokens", type=int, default=0, help="pads answers that no rule gives to this length")
    add("--wake-seconds", type=float, default=0.0, help="how long /wake_up takes")
    add("--while-stopping", choices=[way.value for way in WhileStopping], default=WhileStopping.REFUSE.value)
    add("--exit-at-start", action="store_true", help="an engine that cannot start")
    _add_faults(parser)
    return parser


def _add_faults(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--hang", action="store_true", help="healthy, but no completion ever answers")
    add("--error-rate", type=float, default=0.0)
    add("--first-token-delay-seconds", type=float, default=0.0)
    add("--cut-rate", type=float, default=0.0)
    add("--wrong-rate", type=float, default=0.0)
    add("--empty-rate", type=float, default=0.0)
    add("--crash-after", type=int, default=None)
    add("--wrong-model", default="")
