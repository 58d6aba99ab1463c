#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes VENV (default .venv) hold deberta_c, built from this checkout and installed editable; prints one line per
# step and skips the steps that are done.
#
#     tools/bootstrap.sh [EXTRA...]      # extras of pyproject.toml, such as test, in this order
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

say() {
    echo "deberta_c: $*"
}

# A Python of 3.10 or later: the environment's own if there is one.
find_python() {
    for python in "$venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
}

lacking() {
    command -v "${CC:-gcc}" >/dev/null || echo gcc libc6-dev
    echo '#include <utf8proc.h>' | "${CC:-gcc}" -E - >/dev/null 2>&1 || echo libutf8proc-dev
    if [ -z "$1" ]; then
        echo python3 python3-dev python3-venv
        return
    fi
    header=$("$1" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h
    [ -e "$header" ] || echo python3-dev
    [ -x "$venv/bin/python" ] || "$1" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        say "install these with your package manager, then run this again: $*"
        exit 1
    fi
    root=
    if [ "$(id -u)" != 0 ]; then
        root=sudo
        command -v sudo >/dev/null || { say "run as root or install sudo: apt-get install $*"; exit 1; }
    fi
    say "installing $* (apt)"
    $root env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"' sh "$@" </dev/null >/dev/null
}

# The build requirements of pyproject.toml, or those of an extra.
requirements() {
    "$venv/bin/python" - "$@" <<'END'
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
extras = project["project"]["optional-dependencies"]
print("\n".join(extras[sys.argv[1]] if sys.argv[1:] else project["build-system"]["requires"]))
END
}

pip() {
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@"
}

stale() { # STAMP FILE...: whether a file is newer than the stamp
    [ ! -e "$1" ] || [ -n "$(find "$@" -newer "$1")" ]
}

packages=$(lacking "$(find_python)")
[ -z "$packages" ] || install_packages $packages
if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    [ -n "$python" ] || { say "Python 3.10 or later is needed; this system's python3 is older"; exit 1; }
    say "making the environment $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi

stamp=$venv/.deberta_c
list=$venv/.requirements
if stale "$stamp-build" setup.py tools/build_core.py pyproject.toml; then
    say "building deberta_c into $venv (a minute)"
    requirements >"$list"
    pip -r "$list"
    pip --no-build-isolation -e .
    touch "$stamp-build"
elif stale "$stamp-build" csrc || ! "$venv/bin/python" -c 'import deberta_c._core' 2>/dev/null; then
    say "building the core again: csrc has changed"
    "$venv/bin/python" setup.py -q build_ext --inplace
    touch "$stamp-build"
fi
for extra in "$@"; do
    if stale "$stamp-$extra" pyproject.toml; then
        say "installing what \`$extra\` needs (pip)"
        requirements "$extra" >"$list"
        pip -r "$list"
        touch "$stamp-$extra"
    fi
done
