#!/bin/sh
# Show the main job: a running program is dumped to disk, is gone, and comes back where it was.
# Run by `make demo`. Everything it makes lies in one temporary directory, removed at the end.
set -eu
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin

if [ "$(id -u)" != 0 ]; then
    echo "The demo needs root: taking a program apart and giving it its old pid back are" \
        "privileged. Try: sudo make demo" >&2
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/crtools-demo.XXXXXX")
pid=
cleanup() {
    if [ -n "$pid" ] && runs; then kill -KILL "$pid" 2>/dev/null || true; fi
    if [ -n "$pid" ]; then wait "$pid" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else bold='' dim='' off=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$1" "$off"; }
show() { printf '%s$ %s%s\n' "$dim" "$1" "$off"; }
fail() {
    printf '\nThe demo failed: %s\n' "$1" >&2
    for log in "$work"/checkpoint/*.log; do
        if [ -f "$log" ]; then printf -- '--- %s\n' "${log##*/}" && tail -n 20 "$log"; fi
    done >&2
    exit 1
}
# Is it there, and still our program? A pid alone could be somebody else's by now.
runs() { tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$work/counter.py"; }
count() { tail -n 1 "$work/count" 2>/dev/null || true; }
wait_for() {  # wait_for SECONDS COMMAND...: until it succeeds
    tries=$(($1 * 20))
    shift
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then return 1; fi
        sleep 0.05
    done
}
counted_to() { [ "$(count)" -ge "$1" ] 2>/dev/null; }

cat >"$work/counter.py" <<'END'
"""Counts in a variable, ten times a second, and writes every number to a file that it keeps open."""
import os, sys, time

# What whoever started the demo left open may be a pipe of somebody who is not dumped.
os.closerange(3, 1024)
count = 0
with open(sys.argv[1], "w", buffering=1) as out:
    while True:
        count += 1
        print(count, file=out)
        time.sleep(0.1)
END

step "1. A Python program counts."
setsid "$bin/python" "$work/counter.py" "$work/count" </dev/null >/dev/null 2>&1 &
pid=$!
wait_for 10 counted_to 10 || fail "the counter did not start"
echo "It runs as process $pid and has counted to $(count)."

step "2. Dump it: memory, registers and open files go to a directory, and the process ends."
mkdir "$work/checkpoint"
show "crtools dump -t $pid -D checkpoint"
"$bin/crtools" dump -t "$pid" -D "$work/checkpoint" || fail "the dump did not succeed"
wait "$pid" 2>/dev/null || true
if runs; then fail "process $pid is still there"; fi
stopped_at=$(count)
echo "Process $pid is gone; it had counted to $stopped_at." \
    "The checkpoint: $(du -sh "$work/checkpoint" | cut -f1)B in" \
    "$(find "$work/checkpoint" -name '*.img' | wc -l) images."

step "3. A second passes. Nobody counts."
sleep 1
if [ "$(count)" != "$stopped_at" ]; then fail "somebody counted on"; fi
echo "Still $(count)."

step "4. Restore it."
show "crtools restore -D checkpoint -d"
"$bin/crtools" restore -D "$work/checkpoint" -d || fail "the restore did not succeed"
runs || fail "process $pid did not come back"
wait_for 10 counted_to $((stopped_at + 10)) || fail "it does not count on"
now=$(count)
echo "Process $pid is back and goes on: $((stopped_at + 1)), $((stopped_at + 2))," \
    "$((stopped_at + 3)) ... $now."

# The program kept its count in memory only: had it begun again, the file would show it.
awk '$1 != NR { exit 1 }' "$work/count" || fail "a number is missing or was written twice"
step "Every number from 1 to $now was written once. The program noticed nothing."
