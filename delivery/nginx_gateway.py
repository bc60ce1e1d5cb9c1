"""What nginx does with a request before it routes it: key, size, limit. The keys are in a file of their own.

The key is asked for in the server's rewrite phase, which comes before nginx looks at the size of a body; the limit comes after. The
answer is given in a location all the same: only there nginx knows that it keeps no connections, and tells the client.
"""

from __future__ import annotations

import re

from delivery import client_api as api
from delivery.envoy_names import TLS_CERTIFICATE, TLS_KEY
from delivery.nginx_syntax import quoted
from delivery.refusal import Refusal
from delivery.topology import Topology

GATEWAY_FILE = "gateway.conf"
TOO_MANY_LOCATION = "@verdigris-too-many"
OVER_LIMIT = 599
"""nginx's own status for a request over the limit, which no engine sends: an engine's 429 is passed on as it is."""

_STRANGERS = "/verdigris/no-key"
_ZONE = "verdigris_clients"


def gateway_text(topology: Topology) -> str:
    """Who the client is, and what it may. Holds the keys. Raises Refusal for an engine key that nginx can't be told."""
    keys = sorted(topology.client_keys.items()) if topology.keyed else []
    clients = {_pattern(f"Bearer {key}"): quoted(name) for name, key in keys}
    trusted = {_pattern(topology.forced_color_secret): "1"} if topology.keyed else {}
    listed = {api.path_under(service.path_prefix, endpoint.path): "1" for service in topology.services for endpoint in api.ENDPOINTS}
    parts = [
        _map("$http_authorization", "$verdigris_client", clients, "''"),
        _map(f"$http_{_header(api.SECRET_HEADER)}", "$verdigris_trusted", trusted, "0"),
        _map("$uri", "$verdigris_listed", dict(sorted(listed.items())), "0"),
        # A name follows the two digits, so that only a request without any is a stranger's.
        _map('"$verdigris_listed$verdigris_trusted$verdigris_client"', "$verdigris_stranger", {'"10"': "1"} if topology.keyed else {}, "0"),
        _map('"$verdigris_listed$verdigris_trusted"', "$verdigris_counted", {'"10"': "$verdigris_client"}, "''"),
        _map("''", "$verdigris_authorization", {}, _authorization(topology)),
    ]
    if _limits(topology):
        parts.append(f"limit_req_zone $verdigris_counted zone={_ZONE}:4m rate={topology.requests_per_minute}r/m;")
    return "\n".join(parts) + "\n"


def gateway_server_lines(topology: Topology) -> list[str]:
    """For the server that clients reach."""
    lines = [
        f"client_max_body_size {topology.max_request_bytes};",
        f"client_body_buffer_size {_buffer_bytes(topology.max_request_bytes)};",
    ]
    if topology.keyed:
        lines += [
            f"if ($verdigris_stranger) {{ rewrite ^ {_STRANGERS}? last; }}",
            "proxy_set_header Authorization $verdigris_authorization;",
            f"proxy_set_header {api.CLIENT_HEADER} $verdigris_client;",
        ]
    else:
        lines.append(f'proxy_set_header {api.CLIENT_HEADER} "";')
    if _limits(topology):
        more = (topology.requests_per_minute or 1) - 1
        lines += [f"limit_req zone={_ZONE}{f' burst={more} nodelay' if more else ''};", f"limit_req_status {OVER_LIMIT};"]
    if topology.tls is not None:
        # nginx reads the files when it reloads, and it reloads when its text changes: with the digest of what is in them.
        lines += [
            f"ssl_certificate {TLS_CERTIFICATE}; # {topology.tls.digest}",
            f"ssl_certificate_key {TLS_KEY};",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:verdigris:4m;",
        ]
    return lines


def gateway_locations(topology: Topology) -> list[str]:
    """Where requests without a key, and requests over the limit, are answered."""
    wait = api.retry_after_seconds(topology.requests_per_minute or 60)
    return [
        f"location = {_STRANGERS} {{ internal; client_max_body_size 0; return 401 {quoted(api.NO_KEY_TEXT)}; }}",
        f"location {TOO_MANY_LOCATION} {{ add_header Retry-After {wait} always; return 429 {quoted(api.TOO_MANY_TEXT)}; }}",
    ]


def _buffer_bytes(body_bytes: int) -> int:
    """In memory, so that a request can be sent a second time. A body that comes in chunks is buffered with the chunks' own lengths."""
    return body_bytes + body_bytes // 8 + 65_536


def _limits(topology: Topology) -> bool:
    return topology.keyed and topology.requests_per_minute is not None


def _authorization(topology: Topology) -> str:
    if not (topology.keyed and topology.engine_key):
        return "''"
    try:
        return quoted(f"Bearer {topology.engine_key}")
    except ValueError:
        because = "nginx would read a variable in it"
        raise Refusal("apiKey", "a key with a $", "one without", because, "set another one or use envoy") from None


def _map(source: str, target: str, values: dict[str, str], default: str) -> str:
    lines = [f"  {key} {value};" for key, value in values.items()]
    return "\n".join([f"map {source} {target} {{", *lines, f"  default {default};", "}"])


def _pattern(text: str) -> str:
    """A pattern, because nginx compares words without regard to case."""
    return quoted(f"~^{re.escape(text)}\\z")


def _header(name: str) -> str:
    return name.lower().replace("-", "_")
