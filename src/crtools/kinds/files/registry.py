"""The kinds of open files that are carried over.

A file is of the one kind that says `matches`; of none, and it is refused by name
(crtools.kinds.files.refused).
"""

from __future__ import annotations

from crtools.kinds.files.fifo import Fifo
from crtools.kinds.files.pipe import Pipe
from crtools.kinds.files.regular import Regular

FILE_KINDS = (Regular(), Pipe(), Fifo())
