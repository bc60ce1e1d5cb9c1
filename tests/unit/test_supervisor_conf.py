"""What supervisord and the launcher are told, read back with supervisord's own parser."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import UnhosedConfigParser, expand

from delivery.refusal import Refusal
from probes.launch import environment_of
from probes.stack_home import StackHome, home_of
from probes.supervisor_conf import STOP_MARGIN_SECONDS, ProgramSpec, daemon_conf, program_conf, quoted

HOME = StackHome(Path("/tmp/some where/100% # home"))


def read_back(text: str, section: str) -> dict[str, str]:
    parser = UnhosedConfigParser()
    parser.read_string(text)
    return {key: expand(value, {}, key) for key, value in parser.items(section)}


AWKWARD = st.text(alphabet=" #;%'\"\\$=[]{}:,(s)ab")
ANY = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(st.lists(AWKWARD | ANY, min_size=1))
def test_supervisord_reads_back_any_argument(arguments: list[str]) -> None:
    command = " ".join(quoted(argument) for argument in ["/bin/true", *arguments])
    assert shlex.split(read_back(f"[program:x]\ncommand={command}\n", "program:x")["command"]) == ["/bin/true", *arguments]


def test_an_argument_of_two_lines_is_refused() -> None:
    with pytest.raises(Refusal, match="one line"):
        quoted("a\n[program:evil]")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a:b", "-x", "x]", "a/b", "a\n"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="program"):
        program_conf(HOME, name, 1)


def test_a_program_has_its_time_to_drain_and_is_always_restarted() -> None:
    program = read_back(program_conf(HOME, "chat-blue-0", 120), "program:chat-blue-0")
    assert int(program["stopwaitsecs"]) == 120 + STOP_MARGIN_SECONDS
    assert program["autorestart"] == "true"
    assert program["stopsignal"] == "TERM"
    assert program["stopasgroup"] == "false", "workers of an engine live until it has drained"
    assert program["killasgroup"] == "true"


def test_a_log_of_requests_is_apart_from_what_a_program_says_and_both_are_rotated() -> None:
    engine = read_back(program_conf(HOME, "chat-blue-0", 1), "program:chat-blue-0")
    assert (engine["redirect_stderr"], engine["stdout_logfile"]) == ("true", "logs/chat-blue-0.log")
    router = read_back(program_conf(HOME, "router", 1, logs_requests=True), "program:router")
    assert router["redirect_stderr"] == "false"
    assert (router["stdout_logfile"], router["stderr_logfile"]) == ("logs/router.access.log", "logs/router.log")
    assert {router[f"{stream}_logfile_maxbytes"] for stream in ("stdout", "stderr")} == {"20MB"}


def test_the_daemon_listens_on_a_private_unix_socket_only() -> None:
    text = daemon_conf(HOME)
    assert read_back(text, "unix_http_server") == {"file": "supervisor.sock", "chmod": "0600"}
    assert "inet_http_server" not in text


def test_the_socket_of_a_long_home_is_short_and_its_own() -> None:
    deep = [StackHome(Path("/tmp") / ("x" * 200) / name) for name in ("dev", "prod")]
    sockets = {home.supervisor_socket for home in deep}
    assert len(sockets) == 2
    assert all(len(os.fsencode(socket)) < 96 for socket in sockets)
    assert StackHome(Path("/tmp/a")).supervisor_socket == Path("/tmp/a/supervisor.sock")


def test_the_home_is_in_the_project_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VERDIGRIS_HOME", raising=False)
    assert home_of(tmp_path, "dev").path == tmp_path.resolve() / ".verdigris" / "dev"
    monkeypatch.setenv("VERDIGRIS_HOME", str(tmp_path / "elsewhere"))
    assert home_of(Path("/project"), "dev").path == tmp_path.resolve() / "elsewhere" / "dev"


def test_equal_specs_are_equal_texts_and_hold_no_secret(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    one = ProgramSpec(("a",), "/", {"B": "1", "A": "2"}, {"KEY": str(key)})
    two = ProgramSpec(("a",), "/", {"A": "2", "B": "1"}, {"KEY": str(key)})
    assert one.to_json() == two.to_json()
    assert "s3cret" not in one.to_json()
    environment = environment_of(json.loads(one.to_json()), {"PULUMI_CONFIG_PASSPHRASE": "x", "PATH": "/bin"}, tmp_path, "chat")
    assert environment["KEY"] == "s3cret"
    assert environment["PATH"] == "/bin"
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
    assert environment["VERDIGRIS_PROGRAM"] == f"{tmp_path}:chat"
