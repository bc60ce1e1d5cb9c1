"""What nginx has to know of one service: its pools and weights (`http`), its endpoints (`server`), its weights read back (`admin`).

Only the `http` text depends on the weights, so a shift replaces one file.
"""

from __future__ import annotations

import json
import re

from delivery import client_api as api
from delivery.color import Color, Weights
from delivery.nginx_gateway import OVER_LIMIT, TOO_MANY_LOCATION
from delivery.nginx_syntax import quoted, variable
from delivery.topology import ServiceRoute, refuse_weight_without_pool

_FAILED, _TOO_LARGE = "@verdigris-failed", "@verdigris-too-large"


def http_text(service: ServiceRoute, weights: Weights | None, secret: str) -> str:
    """Weights, pools and the choice of a color. Raises Refusal where a color with a weight has no pool."""
    refuse_weight_without_pool(service, weights)
    name = service.name
    split, forced, color, other = (variable(name, part) for part in ("split", "forced", "color", "other"))
    both = weights is not None and weights.blue > 0 and weights.green > 0
    pools = {each: pool for each in Color if (pool := service.pool(each)) is not None}
    releases = {each.value: quoted(pool.release) for each, pool in pools.items()}
    upstreams = {each.value: quoted(service.cluster(each)) for each in pools}
    wanted = f'"$http_{_header(api.SECRET_HEADER)}:$http_{_header(api.COLOR_HEADER)}"'
    parts = [
        weights_line(weights),
        _map('""', variable(name, "weights"), {}, quoted(_weights_json(weights))),
        _split(service, weights),
        # A pattern, because nginx compares words without regard to case.
        _map(wanted, forced, {_pattern(secret, each): each.value for each in Color}, '""'),
        _map(forced, color, {'""': split}, forced),
        _map(color, other, {each.value: each.other.value for each in Color}, '""'),
        _map(forced, variable(name, "on_error"), {'""': _other_location(name) if both else _FAILED}, _FAILED),
        *(_map(chosen, variable(name, f"{part}release"), releases, '""') for chosen, part in ((color, ""), (other, "other_"))),
        *(_map(chosen, variable(name, f"{part}upstream"), upstreams, '""') for chosen, part in ((color, ""), (other, "other_"))),
        *(_upstream(service.cluster(each), pool.behind_router) for each, pool in pools.items()),
    ]
    return "\n".join(parts) + "\n"


def server_text(service: ServiceRoute) -> str:
    """The endpoints of a service, and where its requests go whose first color can't answer. No weight is in it."""
    name = service.name
    color, upstream = variable(name, "color"), variable(name, "upstream")
    locations = [
        f"""\
location = {api.path_under(service.path_prefix, endpoint.path)} {{
  set $verdigris_service {quoted(name)};
  if ($request_method != {endpoint.method}) {{ return 404 {quoted(api.NOT_FOUND_TEXT)}; }}
  if ({color} = "") {{ return 503 {quoted(api.no_weights_text(name))}; }}
  if ({upstream} = "") {{ return 503 {quoted(api.no_pool_text(name, "such"))}; }}
  set $verdigris_path {endpoint.path};
  set $verdigris_color {color};
  set $verdigris_release {variable(name, "release")};
  set $verdigris_forced {variable(name, "forced")};
  error_page 413 = {_TOO_LARGE};
  error_page {OVER_LIMIT} = {TOO_MANY_LOCATION};
  error_page 502 503 504 = {variable(name, "on_error")};
  proxy_pass http://{upstream}$verdigris_path$is_args$args;
}}
"""
        for endpoint in api.ENDPOINTS
    ]
    other = f"""\
location {_other_location(name)} {{
  set $verdigris_color {variable(name, "other")};
  set $verdigris_release {variable(name, "other_release")};
  error_page 502 503 504 = {_FAILED};
  proxy_pass http://{variable(name, "other_upstream")}$verdigris_path$is_args$args;
}}
"""
    return "".join([*locations, other])


def admin_text(service: ServiceRoute) -> str:
    """Where nginx says which weights it uses: nobody could ask it otherwise. Only on the loopback interface."""
    return f'location = {weights_path(service.name)} {{ return 200 "{variable(service.name, "weights")}"; }}\n'


def weights_path(service: str) -> str:
    """The path of a service's weights on the admin listener."""
    return f"/verdigris/weights/{service}"


def weights_line(weights: Weights | None) -> str:
    """The first line of an `http` text."""
    return f"# weights: {_weights_json(weights)}"


def weights_in_http_text(text: str) -> Weights | None:
    """The weights in an `http` text. Raises ValueError for a text that isn't one."""
    found = re.match(r"# weights: (.*)\n", text)
    if found is None:
        raise ValueError("not a text of nginx_service.http_text")
    return weights_of_json(found.group(1))


def weights_of_json(text: str) -> Weights | None:
    """The weights as nginx says them. Raises ValueError for anything else."""
    value = json.loads(text)
    if value is None:
        return None
    try:
        return Weights(int(value["blue"]), int(value["green"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no weights: {text[:100]!r}") from error


def _split(service: ServiceRoute, weights: Weights | None) -> str:
    """Blue's share comes first, always: so who is in the canary stays in it when it grows, whichever color the canary is."""
    key, split = variable(service.name, "key"), variable(service.name, "split")
    if weights is None:
        return _map('""', split, {}, '""')
    header = f"$http_{_header(service.sticky_header)}" if service.sticky_header is not None else '""'
    keys = _map(header, key, {'""': "$request_id"}, header if service.sticky_header is not None else "$request_id")
    shares = [f"  {weights.blue}% blue;", "  * green;"] if 0 < weights.blue < 100 else [f"  * {'blue' if weights.blue else 'green'};"]
    return "\n".join([keys, f"split_clients {key} {split} {{", *shares, "}"])


def _map(source: str, target: str, values: dict[str, str], default: str) -> str:
    lines = [f"  {key} {value};" for key, value in values.items()]
    return "\n".join([f"map {source} {target} {{", *lines, f"  default {default};", "}"])


def _upstream(name: str, engines: tuple[str, ...]) -> str:
    """The least busy engine first; one that failed is left out for a second."""
    servers = [f"  server {engine} max_fails=1 fail_timeout=1s;" for engine in engines]
    return "\n".join([f"upstream {name} {{", "  least_conn;", *servers, "}"])


def _pattern(secret: str, color: Color) -> str:
    return quoted(f"~^{re.escape(secret)}:{color}\\z")


def _weights_json(weights: Weights | None) -> str:
    return json.dumps(None if weights is None else {color.value: weights.of(color) for color in Color})


def _other_location(service: str) -> str:
    return f"@verdigris-other-{service}"


def _header(name: str) -> str:
    return name.lower().replace("-", "_")
