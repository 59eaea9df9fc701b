#!/bin/sh
# Make the virtual environment DIR: all development tools, and a `crtools` that runs this checkout.
# Run by `make venv`; PYTHON names the interpreter. As root on Debian, what is missing is installed.
set -eu
cd "$(dirname "$0")/.."
dir=$1
python=${PYTHON:-python3}

say() { printf 'make venv: %s\n' "$*" >&2; }
works() {
    "$python" -c 'import ensurepip, os, sysconfig
assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null &&
        command -v "${CC:-gcc}" >/dev/null && command -v objcopy >/dev/null
}

if ! works; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3, python3-venv, python3-dev and gcc"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            python3 python3-venv python3-dev gcc libc6-dev >/dev/null
    fi
    if ! works; then
        say "$python needs its venv module and headers, and gcc (Debian: python3-venv python3-dev gcc)"
        exit 1
    fi
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3.11 venv"
    exit 1
}

[ -x "$dir/bin/python" ] && [ -x "$dir/bin/pip" ] || "$python" -m venv "$dir"
"$dir/bin/python" - > "$dir/requirements.txt" <<'END'
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
print(*project["dependencies"], *project["optional-dependencies"]["dev"], sep="\n")
END
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check -r "$dir/requirements.txt"

# Not an editable install: its finder costs start-up time. A path file makes `import crtools` work,
# and the command starts this checkout's code as the installed one starts the package's.
site=$("$dir/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$PWD/src" > "$site/crtools-checkout.pth"
checkout=$(printf '%s' "$PWD" | sed "s/'/'\\\\''/g")
cat > "$dir/bin/crtools.new" <<END
#!/bin/sh
exec '$checkout/$dir/bin/python3' -I -S '$checkout/src/crtools/__main__.py' "\$@"
END
chmod 755 "$dir/bin/crtools.new"
mv "$dir/bin/crtools.new" "$dir/bin/crtools"
