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

# need_pypi DIRECTORY LIST: lays exactly the packages of the list into the directory, each with the
# hash that the list says. Nothing of them runs at the installation, and no other Python sees them.
need_pypi() {
  local into=$1 list=$2 tools
  cmp -s "$list" "$into/complete" && return 0
  need_command python3 "Some tools of the tests come as Python packages."
  tools="$REPO/target/pip"
  if [ ! -x "$tools/bin/pip" ]; then
    python3 -c 'import ensurepip' 2>/dev/null || need_debian python3-venv
    rm -rf "$tools"
    python3 -m venv "$tools"
  fi
  rm -rf "$into"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --target "$into" --requirement "$list"
  # written last: what an interrupted run left behind is laid again
  cp "$list" "$into/complete"
}
