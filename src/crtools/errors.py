"""The errors that crtools raises.

An error says what happened, why, and what to do; only cli/ and rpc/ turn it into text. Each class
is one thing a caller may want to treat differently, so nobody has to match messages.
"""

from __future__ import annotations

from errno import EACCES, EPERM


class CrtoolsError(Exception):
    """Base of all. `what` is a sentence without its full stop; `because` and `hint` may be empty.

    `subject` names the object in a form that programs can read: ("task", 812, "fd", 17).
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        because: str = "",
        hint: str = "",
        subject: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.because = because
        self.hint = hint
        self.subject = subject

    def __str__(self) -> str:
        lines = [self.what if self.what.endswith((".", "?", "!")) else self.what + "."]
        if self.because:
            lines.append(f"Because: {self.because}" + ("" if self.because.endswith(".") else "."))
        if self.hint:
            lines.append(f"Try: {self.hint}" + ("" if self.hint.endswith(".") else "."))
        lines.extend(getattr(self, "__notes__", ()))
        return "\n".join(lines)


class UsageError(CrtoolsError):
    """The command line, a config file or an argument of the API makes no sense."""


class PermissionDenied(CrtoolsError):
    """The kernel refused for want of a privilege; `hint` says which."""


class MissingFeature(CrtoolsError):
    """The kernel or a tool lacks something that is needed; `crtools check` tells more."""


class UnsupportedObject(CrtoolsError):
    """The tree holds an object whose state cannot be carried over (yet)."""


class TaskVanished(CrtoolsError):
    """A task ended while it was being looked at."""


class RemoteSyscallError(CrtoolsError):
    """A system call run inside a task failed: `task` (host pid), `call` (name), `errno`."""

    def __init__(
        self,
        what: str,
        *,
        task: int,
        call: str,
        errno: int,
        because: str = "",
        hint: str = "",
        subject: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(what, because=because, hint=hint, subject=subject or ("task", task))
        self.task = task
        self.call = call
        self.errno = errno


class ImageError(CrtoolsError):
    """An image is missing, incomplete, damaged or says something impossible."""


class RestoreConflict(CrtoolsError):
    """What is to be restored collides with what exists: a pid in use, a file that differs."""


class InternalError(CrtoolsError):
    """This is our bug: a state that the code takes to be impossible."""


def failed_call(what: str, error: OSError) -> CrtoolsError:
    """The error for a system call of the tool's own that failed where nobody expects it to: its
    descriptors, memory or disk have run out, say. `what` was being done."""
    refused = error.errno in (EPERM, EACCES)
    made = (PermissionDenied if refused else CrtoolsError)(
        f"Cannot {what}",
        because=(error.strerror or str(error)) + (f": {error.filename}" if error.filename else ""),
    )
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made
