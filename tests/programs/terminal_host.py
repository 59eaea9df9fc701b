"""Runs a program in a terminal whose master it keeps: terminal_host.py DIR PROGRAM [ARGUMENT...].

What is in DIR/keys-1, DIR/keys-2, ... is typed, each when it appears; what is shown goes to
DIR/screen. It ends with the program, and with its status.
"""

import os
import pty
import select
import sys

directory, *command = sys.argv[1:]
os.chdir(directory)
pid, master = pty.fork()
if pid == 0:
    os.environ.update(TERM="ansi", PS1="$ ", HISTFILE="")
    os.execv(command[0], command)
screen = os.open("screen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
typed = 0
print("READY", flush=True)
while True:
    try:
        with open(f"keys-{typed + 1}", "rb") as file:
            os.write(master, file.read())
        typed += 1
    except FileNotFoundError:
        pass
    readable, _, _ = select.select([master], [], [], 0.01)
    try:
        if readable:
            os.write(screen, os.read(master, 4096))
    except OSError:  # EIO: nobody has the slave any more
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
