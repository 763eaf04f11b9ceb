#!/usr/bin/env bash
# Makes the images that the container build and its tests start from, where no image can be pulled.
#
#   deploy/local-images.sh [--rebuild] [builder] [mailcatcher] [postgres]      (default: all three)
#
#   rattlewatch-local/builder      for --build-arg BUILDER=...: Debian, a C compiler, this machine's own Rust, and the
#                                  crates that Cargo.lock names, so that the build needs no network
#   rattlewatch-local/mailcatcher  for MAILCATCHER_IMAGE=...: SMTP on 1025, the mails as files on http 8025
#   rattlewatch-local/postgres     for POSTGRES_IMAGE=...: Debian's PostgreSQL, set up by POSTGRES_USER, _PASSWORD, _DB
#
# It needs root, Debian's debootstrap, a Docker Engine, cargo and a Debian mirror: the one that this machine's own apt
# uses. An image that is there and up to date is left alone.
# apt's own templates are in single quotes on purpose.
# shellcheck disable=SC2016
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
recipe=1 # raise it when what is below changes the images
prefix=rattlewatch-local
label=rattlewatch.recipe

say() { printf '[%4ss] local-images: %s\n' "$SECONDS" "$*"; }
fail() {
  printf 'local-images: %s\n' "$*" >&2
  exit 1
}

rebuild=
wanted=()
for argument in "$@"; do
  case $argument in
    --rebuild) rebuild=1 ;;
    builder | mailcatcher | postgres) wanted+=("$argument") ;;
    *) fail "unknown argument '$argument'; see the top of this file" ;;
  esac
done
((${#wanted[@]})) || wanted=(builder mailcatcher postgres)

[[ $(id -u) == 0 ]] || fail "debootstrap needs root; run this as root"
docker version >/dev/null 2>&1 || fail "no Docker Engine answers; start one or set DOCKER_HOST"
command -v debootstrap >/dev/null || fail "debootstrap is missing; run: apt-get install debootstrap"

work=$(mktemp -d "${TMPDIR:-/tmp}/rattlewatch-images.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# current IMAGE KEY: whether the image was made by this recipe from these inputs.
current() {
  [[ -z $rebuild ]] || return 1
  [[ $(docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null) == "$2" ]]
}

# replaced ID IMAGE: removes the image that IMAGE was before, unless something still uses it.
replaced() {
  [[ -z $1 || $1 == "$(identity "$2")" ]] || docker rmi "$1" >/dev/null 2>&1 || true
  say "$2 is ready ($(docker image inspect -f '{{.Size}}' "$2" | numfmt --to=si)B)"
}

identity() { docker image inspect -f '{{.Id}}' "$1" 2>/dev/null || true; }

# import FOLDER IMAGE KEY [CHANGE...]: the folder's files as an image of one layer.
import() {
  local folder=$1 image=$2 key=$3 change changes=() before
  before=$(identity "$image")
  shift 3
  for change in "$@" "LABEL $label=$key"; do changes+=(--change "$change"); done
  # Device files are the engine's business, and nothing of this machine's name service may stay.
  rm -f "$folder"/etc/{resolv.conf,hostname} "$folder"/usr/sbin/policy-rc.d
  tar -C "$folder" --numeric-owner --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
    docker import "${changes[@]}" - "$image" >/dev/null
  replaced "$before" "$image"
}

# The smallest Debian, made once for all images of a run.
debian() {
  [[ -d $work/debian ]] && return
  local suite mirror
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(SITE)' 'Created-By: Packages' |
    awk -v suite="$suite" '$1 == "Debian" && $2 == suite { print $3; exit }')
  [[ -n $mirror ]] || fail "apt names no Debian mirror for '$suite'; run: apt-get update"
  say "Debian $suite by debootstrap"
  debootstrap --variant=minbase "$suite" "$work/debian" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2 && fail "debootstrap failed"; }
  # The updates that this machine's apt knows are taken as well.
  apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$1 == "Debian" { print "deb", $2, $3, $4 }' | sort -u >"$work/debian/etc/apt/sources.list"
  printf 'path-exclude=/usr/share/%s/*\n' doc man locale info lintian >"$work/debian/etc/dpkg/dpkg.cfg.d/small"
  printf '#!/bin/sh\nexit 101\n' >"$work/debian/usr/sbin/policy-rc.d" # no package may start a service
  chmod 755 "$work/debian/usr/sbin/policy-rc.d"
  inside "$work/debian" apt-get update
  inside "$work/debian" apt-get -y upgrade
}

# inside FOLDER COMMAND...: runs it there with this machine's name service, quietly unless it fails.
inside() {
  local folder=$1
  shift
  cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+http_proxy="$http_proxy"} chroot "$folder" "$@" </dev/null >"$work/inside.log" 2>&1 ||
    { tail -n 30 "$work/inside.log" >&2 && fail "failed in the new root: $*"; }
}

# with_packages FOLDER PACKAGE...: the small Debian and these, without what only a person or apt would read.
with_packages() {
  local folder=$1
  shift
  debian
  cp -a "$work/debian" "$folder"
  if [[ " $* " == *" postgresql "* ]]; then # the entry script makes the cluster, not the package
    mkdir -p "$folder/etc/postgresql-common"
    echo 'create_main_cluster = false' >"$folder/etc/postgresql-common/createcluster.conf"
  fi
  say "packages: $*"
  inside "$folder" apt-get install -y --no-install-recommends "$@"
  rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/var/log/* \
    "$folder"/usr/share/{doc,man,locale,info,lintian}/*
}

# Debian, a C compiler and this machine's Rust: the part of the builder that changes with the toolchain only.
rust_image() {
  local image=$1 key=$2 folder=$work/rust sysroot host
  if current "$image" "$key"; then
    say "$image is up to date"
    return
  fi
  with_packages "$folder" gcc libc6-dev ca-certificates tzdata
  sysroot=$(rustc --print sysroot)
  host=$(rustc -vV | sed -n 's/^host: //p')
  say "Rust from $sysroot"
  [[ -x $sysroot/bin/cargo ]] || fail "no cargo in $sysroot; this script copies a toolchain that rustup installed"
  mkdir -p "$folder/usr/local/lib/rustlib" "$folder/usr/local/bin"
  cp -a "$sysroot"/bin/{cargo,rustc} "$folder/usr/local/bin/"
  find "$sysroot/lib" -maxdepth 1 -name '*.so*' -exec cp -a {} "$folder/usr/local/lib/" \;
  cp -a "$sysroot/lib/rustlib/$host" "$folder/usr/local/lib/rustlib/"
  chown -R 0:0 "$folder/usr/local"
  import "$folder" "$image" "$key" 'ENV PATH=/usr/local/cargo/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' \
    'ENV CARGO_HOME=/usr/local/cargo' 'ENV CARGO_NET_OFFLINE=true' 'CMD ["/bin/bash"]'
}

# The crates of Cargo.lock from cargo's own download folder, as a context for `docker build`.
crates() {
  local context=$1 home=${CARGO_HOME:-$HOME/.cargo} host
  host=$(rustc -vV | sed -n 's/^host: //p')
  (cd "$root" && cargo fetch --quiet --locked --target "$host" </dev/null)
  # An archive is called NAME-VERSION.crate, an index entry NAME.
  awk -F'"' '/^name = /{ name = $2 } /^version = /{ version = $2 }
             /^source = "registry/{ print name "-" version ".crate"; print tolower(name) }' "$root/Cargo.lock" |
    sort -u >"$work/crates.names"
  (cd "$home" && find registry/cache registry/index -type f) >"$work/registry.files"
  awk 'FNR == NR { wanted[$0]; next }
       { base = $0; sub(/.*\//, "", base) }
       base in wanted || base == "config.json" || base == "CACHEDIR.TAG"' \
    "$work/crates.names" "$work/registry.files" >"$work/registry.wanted"
  mkdir -p "$context"
  tar -C "$home" -c -T "$work/registry.wanted" | tar -C "$context" --no-same-owner -x
  say "$(grep -c '\.crate$' "$work/registry.wanted") crates, $(du -sh "$context" | cut -f1)"
}

builder() {
  local image=$prefix/builder rust key before
  rust=$(rustc -vV | sed -n 's/^release: //p')
  key=$recipe-$(cat <(rustc -vV) <(cargo -V) | sha256sum | cut -c1-16)
  rust_image "$prefix/rust:$rust" "$key"
  key+=-$(sha256sum "$root/Cargo.lock" | cut -c1-16)
  if current "$image" "$key"; then
    say "$image is up to date"
    return
  fi
  before=$(identity "$image")
  crates "$work/crates"
  cat >"$work/crates/Dockerfile" <<EOF
FROM $prefix/rust:$rust
COPY registry /usr/local/cargo/registry
LABEL $label=$key
EOF
  docker build --quiet --tag "$image" "$work/crates" >/dev/null 2>"$work/build.log" ||
    { cat "$work/build.log" >&2 && fail "cannot build $image"; }
  replaced "$before" "$image"
}

mailcatcher() {
  local image=$prefix/mailcatcher folder=$work/mailcatcher key
  key=$recipe-$(sha256sum <"$here/local/mailcatcher.sh" | cut -c1-16)
  if current "$image" "$key"; then
    say "$image is up to date"
    return
  fi
  with_packages "$folder" python3 python3-aiosmtpd
  install -d -o 65534 -g 65534 "$folder/mail"
  install -m 755 "$here/local/mailcatcher.sh" "$folder/usr/local/bin/mailcatcher"
  import "$folder" "$image" "$key" 'USER 65534:65534' 'WORKDIR /mail' 'ENV PYTHONUNBUFFERED=1' 'EXPOSE 1025 8025' \
    'CMD ["/usr/local/bin/mailcatcher"]'
}

postgres() {
  local image=$prefix/postgres folder=$work/postgres key owner version
  key=$recipe-$(sha256sum <"$here/local/postgres.sh" | cut -c1-16)
  if current "$image" "$key"; then
    say "$image is up to date"
    return
  fi
  with_packages "$folder" postgresql
  owner=$(awk -F: '$1 == "postgres" { print $3 ":" $4 }' "$folder/etc/passwd")
  version=$(ls "$folder/usr/lib/postgresql")
  install -d -o "${owner%:*}" -g "${owner#*:}" -m 700 "$folder/var/lib/postgresql/data"
  install -d -o "${owner%:*}" -g "${owner#*:}" "$folder/var/run/postgresql"
  install -m 755 "$here/local/postgres.sh" "$folder/usr/local/bin/postgres-entry"
  import "$folder" "$image" "$key" "USER $owner" 'ENV LC_ALL=C.UTF-8' 'ENV PGDATA=/var/lib/postgresql/data' \
    "ENV PATH=/usr/lib/postgresql/$version/bin:/usr/local/bin:/usr/bin:/bin" 'EXPOSE 5432' \
    'VOLUME /var/lib/postgresql/data' 'ENTRYPOINT ["/usr/local/bin/postgres-entry"]'
}

for image in "${wanted[@]}"; do "$image"; done
say "done: ${wanted[*]}"
