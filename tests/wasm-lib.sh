# shellcheck shell=bash
# Sourced after lib.sh by the steps that build for the web: the compiler, and what may not come in.

TARGET=wasm32-unknown-unknown
TOOLCHAIN="$REPO/target/wasm-toolchain"
# A directory of its own: another compiler than that of the other steps may be at work here.
WASM_TARGET_DIR="$REPO/target/wasm"
BUILD_STD=()

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

# A Rust without the wasm target: Debian's rustc-web brings std's own source. It is unpacked
# below target/ and not installed, so that the machine's Rust stays the only one in the path.
use_debian_toolchain() {
  local lld
  # Taken before RUSTC names the other compiler: the linker comes from the machine's Rust.
  lld=$(compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/rust-lld" | head -n 1) ||
    fail "the installed Rust has no rust-lld; please add the target: rustup target add $TARGET"
  # The mark is written last: what an interrupted run left behind is laid again.
  [ -e "$TOOLCHAIN/complete" ] || lay_debian_toolchain
  LD_LIBRARY_PATH=$(dirname "$(compgen -G "$TOOLCHAIN/usr/lib/*/librustc_driver-*.so" | head -n 1)")
  export LD_LIBRARY_PATH
  export RUSTC="$TOOLCHAIN/usr/bin/rustc" RUSTDOC="$TOOLCHAIN/usr/bin/rustdoc"
  # Building std is not offered on a stable compiler without saying so.
  export RUSTC_BOOTSTRAP=1
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$lld"
  BUILD_STD=('-Zbuild-std=std,panic_abort')
}

lay_debian_toolchain() {
  local version series llvm libraries package
  command -v apt-get >/dev/null 2>&1 ||
    fail "this is not Debian; please add the target: rustup target add $TARGET"
  rm -rf "$TOOLCHAIN"
  mkdir -p "$TOOLCHAIN/packages"
  # A list of packages that is months old can name a compiler that is too old for this workspace.
  apt-get update -qq || true
  version=$(candidate rustc-web)
  [ -n "$version" ] || fail "Debian offers no package rustc-web here"
  series=$(cut -d. -f1,2 <<<"$version")
  # std's source must match its compiler exactly, hence one version for all of them.
  llvm=$(depends "libstd-rust-web-$series=$version" | grep -m1 '^libllvm')
  say "laying rustc-web $version below target/"
  (
    cd "$TOOLCHAIN/packages"
    apt-get -o APT::Sandbox::User=root download -qq "rustc-web=$version" \
      "libstd-rust-web-$series=$version" "libstd-rust-web-dev=$version" \
      "rust-web-src=$version" "$llvm"
  )
  for package in "$TOOLCHAIN"/packages/*.deb; do dpkg -x "$package" "$TOOLCHAIN"; done
  rm -rf "$TOOLCHAIN/packages"
  # The shared libraries that LLVM itself needs are ordinary ones of the system.
  mapfile -t libraries < <(depends "$llvm")
  need_debian "${libraries[@]}"
  touch "$TOOLCHAIN/complete"
}

candidate() { apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }'; }

# depends PACKAGE[=VERSION]: the names in its Depends line, one a line.
depends() {
  apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' |
    sed 's/^ *//;s/[ :|].*//'
}
