# shellcheck shell=bash
# Sourced after lib.sh by the steps that build for targets whose std the machine's Rust lacks: a
# compiler that can build std itself, for any target that LLVM knows.

TOOLCHAIN="$REPO/target/debian-rust"
BUILD_STD=()

# Debian's rustc-web brings std's own source. It is unpacked below target/ and not installed, so
# that the machine's Rust stays the only one in the path.
use_debian_toolchain() {
  # The mark is written last: what an interrupted run left behind is laid again.
  [ -e "$TOOLCHAIN/complete" ] || lay_debian_toolchain
  LD_LIBRARY_PATH=$(dirname "$(compgen -G "$TOOLCHAIN/usr/lib/*/librustc_driver-*.so" | head -n 1)")
  export LD_LIBRARY_PATH
  export RUSTC="$TOOLCHAIN/usr/bin/rustc" RUSTDOC="$TOOLCHAIN/usr/bin/rustdoc"
  # Building std is not offered on a stable compiler without saying so.
  export RUSTC_BOOTSTRAP=1
  BUILD_STD=('-Zbuild-std=std,panic_abort')
}

lay_debian_toolchain() {
  local version series llvm libraries package
  command -v apt-get >/dev/null 2>&1 ||
    fail "this is not Debian, whose rustc-web builds std for targets that the machine's Rust lacks"
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
