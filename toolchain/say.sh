# Sourced by toolchain/build and scripts/setup: progress lines with the seconds since the first of them started.
export VERDIGRIS_STARTED="${VERDIGRIS_STARTED:-$(date +%s)}"
VERDIGRIS_CACHE="${VERDIGRIS_CACHE:-$HOME/.cache/verdigris}"

say() { [ -n "${VERDIGRIS_QUIET:-}" ] || printf '[%4d s] %s\n' "$(($(date +%s) - VERDIGRIS_STARTED))" "$*" >&2; }

# Used for what takes minutes: it is said even when the caller asked for quiet.
announce() { VERDIGRIS_QUIET='' say "$@"; }

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# lock FILE: holds FILE until this shell ends, so that two setups at once take turns (where flock exists: Linux).
lock() {
  mkdir -p "$(dirname "$1")"
  exec 9>"$1"
  command -v flock >/dev/null || return 0
  flock -n 9 && return 0
  announce "another setup is at work here; waiting for it"
  flock 9
}

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }

# toolchain_key NAME...: changes with the recipe of these parts and with the Go that builds them.
toolchain_key() {
  local part
  { go version; for part in build "$@"; do find "$TOOLCHAIN/$part" -type f | LC_ALL=C sort | xargs cat; done; } 2>/dev/null | digest
}
