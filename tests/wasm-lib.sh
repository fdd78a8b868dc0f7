# shellcheck shell=bash
# Sourced after lib.sh by the steps that build for the web: the compiler, and what may not come in.

# shellcheck source=tests/toolchain-lib.sh
. "$REPO/tests/toolchain-lib.sh"

TARGET=wasm32-unknown-unknown
# A directory of its own: another compiler than that of the other steps may be at work here.
WASM_TARGET_DIR="$REPO/target/wasm"

# --- C in the closure ------------------------------------------------------------------------

# refuse_c MANIFEST [CHOICE OF FEATURES...]
#
# C would need a C compiler for wasm on every machine that builds, and it brings code that Rust's
# rules do not bind. js-sys and web-sys are Rust over the browser's own functions.
refuse_c() {
  local manifest=$1 tree found
  shift
  tree=$(cargo tree --manifest-path "$manifest" --target "$TARGET" -e normal,build --prefix none "$@")
  found=$(awk '{ print $1 }' <<<"$tree" | sort -u |
    grep -Ex 'cc|cmake|bindgen|pkg-config|vcpkg|.*[-_]sys' | grep -vxE 'js-sys|web-sys' || true)
  [ -z "$found" ] || fail "C would come into the wasm build by: $(tr '\n' ' ' <<<"$found")"
  say "no C among $(awk '{ print $1 }' <<<"$tree" | sort -u | wc -l) crates"
}

# --- the toolchain ---------------------------------------------------------------------------

use_installed_target() {
  local libdir
  libdir=$(rustc --print target-libdir --target "$TARGET" 2>/dev/null) || return 1
  compgen -G "$libdir/libstd-*.rlib" >/dev/null
}

use_wasm_toolchain() {
  local lld
  # Taken before RUSTC names the other compiler: the linker comes from the machine's Rust.
  lld=$(compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/rust-lld" | head -n 1) ||
    fail "the installed Rust has no rust-lld; please add the target: rustup target add $TARGET"
  use_debian_toolchain
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$lld"
}
