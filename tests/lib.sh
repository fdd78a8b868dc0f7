# shellcheck shell=bash
# Sourced by the scripts beside it. Says where the repository is, and gets what a machine lacks.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export REPO

# One target directory for every step, whatever the caller's environment says: each step finds
# what the step before it built.
export CARGO_TARGET_DIR="$REPO/target"
export CARGO_TERM_COLOR=never

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# A step whose script is not there yet fails: a skipped step would look like a passed one.
need_file() {
  [ -e "$REPO/$1" ] || fail "$1 does not exist, so this step cannot pass"
}

need_command() {
  command -v "$1" >/dev/null 2>&1 || fail "$1 is not on this machine. $2"
}

# need_debian PACKAGE...: installs the named packages that are not there.
need_debian() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" -eq 0 ] || fail "not root, so please run: apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # The lists of a fresh image are empty or old; asking for new ones is only needed then.
  apt-get install -y -qq --no-install-recommends "${missing[@]}" || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
  }
}
