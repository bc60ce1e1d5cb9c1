"""nginx's files: the main one and, for each service, what delivery/nginx_service.py says. Written by probes/nginx_files.py.

Paths in them are relative to nginx's prefix (`-p`), so the same text can be checked in one folder and used in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from delivery import client_api as api
from delivery.color import Weights
from delivery.nginx_gateway import GATEWAY_FILE, gateway_locations, gateway_server_lines, gateway_text
from delivery.nginx_service import admin_text, http_text, server_text
from delivery.nginx_syntax import quoted
from delivery.topology import Topology

MAIN_FILE, PID_FILE, SERVICES_FOLDER, ACCESS_LOG = "nginx.conf", "nginx.pid", "services.d", "access.log"
ADMIN_HOST = "127.0.0.1"
LONGEST_PAUSE = "3600s"  # between two bytes of a stream, or while an engine queues a request

# Of the request's headers only the id is logged, so that neither keys nor secrets get into the log; a client is known by its name.
_LOG_FIELDS = {
    "time": "$time_iso8601",
    "service": "$verdigris_service",
    "color": "$verdigris_color",
    "release": "$verdigris_release",
    "forced": "$verdigris_forced",
    "client": "$verdigris_client",
    "engine": "$upstream_addr",
    "method": "$request_method",
    "path": "$request_uri",
    "attempts": "$upstream_status",
    "request_id": "$request_id",
}
_LOG_NUMBERS = {"status": "$status", "duration_seconds": "$request_time", "bytes_received": "$request_length", "bytes_sent": "$bytes_sent"}


def nginx_files(topology: Topology, weights: Mapping[str, Weights | None]) -> dict[str, str]:
    """Texts by name, relative to the router's folder. A service that `weights` doesn't name has none and answers 503.

    Raises Refusal where a color with a weight has no pool. The texts of services hold the secret of the forced color,
    the gateway's the keys of clients.
    """
    texts = {MAIN_FILE: _main(topology), GATEWAY_FILE: gateway_text(topology)}
    for service in sorted(topology.services, key=lambda service: service.name):
        base = f"{SERVICES_FOLDER}/{service.name}"
        texts[f"{base}.http"] = http_text(service, weights.get(service.name), topology.forced_color_secret)
        texts[f"{base}.server"] = server_text(service)
        texts[f"{base}.admin"] = admin_text(service)
    return texts


def command(binary: str, folder: str) -> list[str]:
    """The command line of nginx in the foreground. SIGQUIT ends it after the last request; SIGTERM cuts streams."""
    return [binary, "-p", f"{folder}/", "-c", MAIN_FILE, "-e", "stderr", "-g", "daemon off;"]


def check_command(binary: str, folder: str) -> list[str]:
    """The command that checks the files in a folder and changes nothing."""
    return [binary, "-t", "-q", "-p", f"{folder}/", "-c", MAIN_FILE, "-e", "stderr"]


def _main(topology: Topology) -> str:
    return f"""\
pid {PID_FILE};
error_log stderr warn;
worker_processes auto;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
{_http_settings()}
  include {GATEWAY_FILE};
  include {SERVICES_FOLDER}/*.http;
  server {{
    listen {_listen(topology.router_host)}:{topology.router_port}{" ssl" if topology.tls else ""} backlog=4096;
{_server_settings()}
{_indented(gateway_server_lines(topology))}
    include {SERVICES_FOLDER}/*.server;
    location = {api.HEALTH_PATH} {{
      if ($request_method != GET) {{ return 404 {quoted(api.NOT_FOUND_TEXT)}; }}
      return 200 {quoted(api.HEALTH_TEXT)};
    }}
    location @verdigris-failed {{
      set $verdigris_color "";
      set $verdigris_release "";
      return 503 {quoted(api.UNAVAILABLE_TEXT)};
    }}
    location @verdigris-too-large {{ return 413 {quoted(api.TOO_LARGE_TEXT)}; }}
{_indented(gateway_locations(topology))}
    location / {{ return 404 {quoted(api.NOT_FOUND_TEXT)}; }}
  }}
  server {{
    listen {ADMIN_HOST}:{topology.admin_port};
    access_log off;
    default_type application/json;
    include {SERVICES_FOLDER}/*.admin;
    location = /ready {{ return 200 {quoted(api.HEALTH_TEXT)}; }}
    location = /connections {{ stub_status; }}
    location / {{ return 404 {quoted(api.NOT_FOUND_TEXT)}; }}
  }}
}}
"""


def _http_settings() -> str:
    # Into a file: a worker writes its lines itself and answers nobody while a pipe is full, as a container's is when dockerd is away.
    fields = [f'"{name}":"{value}"' for name, value in _LOG_FIELDS.items()] + [f'"{name}":{value}' for name, value in _LOG_NUMBERS.items()]
    return f"""\
  log_format verdigris escape=json '{{{",".join(fields)}}}';
  access_log {ACCESS_LOG} verdigris;
  server_tokens off;
  default_type application/json;
  map_hash_bucket_size 256;
  variables_hash_bucket_size 256;
  variables_hash_max_size 16384;
  # A reload closes connections that wait for their next request, and a client that is just sending one loses it. nginx can keep them
  # open for a moment since 1.27.4 only, so clients get a connection a request.
  keepalive_timeout 0;
  client_body_temp_path body_temp;
  proxy_temp_path proxy_temp;
  fastcgi_temp_path fastcgi_temp;
  uwsgi_temp_path uwsgi_temp;
  scgi_temp_path scgi_temp;"""


def _server_settings() -> str:
    """No keep-alive to engines: one connection is one request, which is how requests in flight are counted."""
    return f"""\
    set $verdigris_service "";
    set $verdigris_color "";
    set $verdigris_release "";
    set $verdigris_forced "";
    set $verdigris_path "";
    add_header {api.COLOR_HEADER} $verdigris_color always;
    add_header {api.RELEASE_HEADER} $verdigris_release always;
    recursive_error_pages on;
    send_timeout {LONGEST_PAUSE};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header {api.SECRET_HEADER} "";
    proxy_set_header {api.COLOR_HEADER} "";
    proxy_set_header {api.SERVICE_HEADER} "";
    proxy_hide_header {api.COLOR_HEADER};
    proxy_hide_header {api.RELEASE_HEADER};
    proxy_buffering off;
    proxy_request_buffering on;
    proxy_connect_timeout 2s;
    proxy_read_timeout {LONGEST_PAUSE};
    proxy_send_timeout {LONGEST_PAUSE};
    # A completion changes nothing, so it may be asked again as long as the client has seen no byte of an answer.
    proxy_next_upstream error timeout http_503 non_idempotent;
    proxy_next_upstream_tries 3;
    proxy_intercept_errors on;"""


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _listen(host: str) -> str:
    return f"[{host}]" if ":" in host else host
