#!/usr/bin/env bash
#
# docker_steps -- what can be known about docker-compose.yml and deploy/docker without a Docker engine: Compose accepts the
# file, the image's build steps make programs that start, and the runtime packages hold every library these need.

set -euo pipefail
export LC_ALL=C

checkout=$(cd "$(dirname "$0")/../.." && pwd)
steps=$checkout/deploy/docker/build-steps
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "docker_steps: $1" >&2
    exit 1
}

# Both generations of Compose that a user may have; one of them has to be here.
compose_accepts_the_file() {
    local tried=no
    if command -v docker-compose >/dev/null; then
        tried=yes
        docker-compose -f docker-compose.yml config -q || fail "docker-compose refuses docker-compose.yml"
        # What is off by default has to be right too, and one service must be able to run several times.
        docker-compose -f docker-compose.yml --profile verify config >"$scratch/resolved"
    fi
    if docker compose version >/dev/null 2>&1; then
        tried=yes
        docker compose -f docker-compose.yml config -q || fail "docker compose refuses docker-compose.yml"
        docker compose -f docker-compose.yml --profile verify config >"$scratch/resolved"
    fi
    [[ $tried == yes ]] || fail "neither docker-compose nor docker compose is installed"
    for service in source target kafka producer worker reconciler; do
        grep -q "^  $service:" "$scratch/resolved" || fail "service $service is missing"
    done
    ! grep -q 'container_name' "$scratch/resolved" || fail "a container_name keeps workers from being scaled"
}

# Files that Compose mounts: a missing one would silently become an empty folder.
mounted_files_exist() {
    local file
    while read -r file; do
        [[ -f $file ]] || fail "docker-compose.yml mounts $file, which is not a file"
    done < <(sed -n 's/^ *- \(\.\/[^:]*\):.*/\1/p' docker-compose.yml)
}

programs_start() {
    local program
    for program in rowhaul rowhaul-producer rowhaul-worker rowhaul-reconciler; do
        [[ -x $scratch/prefix/bin/$program ]] || fail "$program was not installed"
    done
    "$scratch/prefix/bin/rowhaul" --version
}

# The packages listed for the image, and what they depend on, hold the libraries the programs are linked with.
runtime_packages_suffice() {
    command -v dpkg-query >/dev/null || return 0
    local library path package known
    ldd "$scratch"/prefix/bin/* >"$scratch/linked"
    known=" libc6 $("$steps" packages runtime) "
    while read -r library; do
        path=$(awk -v name="$library" '$1 == name {path = $3} END {print path}' "$scratch/linked")
        # Packages from before the merge of /lib into /usr/lib are registered under /lib, the others under /usr/lib.
        package=$({ dpkg-query -S "$path" "$(realpath "$path")" 2>/dev/null || true; } | sed 's/[:,].*//' | sort -u)
        [[ $known == *" $package "* ]] || fail "$library needs package \"$package\" in the list \"packages runtime\""
    done < <(objdump -p "$scratch"/prefix/bin/* | awk '$1 == "NEEDED" {print $2}' | sort -u)
}

cd "$checkout"
compose_accepts_the_file
mounted_files_exist
"$steps" compile "$checkout" "$scratch/build" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "compile failed"; }
"$steps" install "$scratch/build" "$scratch/prefix"
programs_start
runtime_packages_suffice
echo "docker_steps: ok"
