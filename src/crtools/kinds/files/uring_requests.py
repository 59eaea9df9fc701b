"""Requests of an io_uring that are in flight when it is dumped: which, of whom, on what.

Most of them end by themselves in a moment: reads and writes of a disk, timeouts about to fire, what
the kernel's workers (io-wq) do. But what comes last, putting the completion into the ring, is
mostly done by the task that submitted the request, when it enters or leaves the kernel
(io_uring/io_uring.c, io_req_task_work_add; with IORING_SETUP_DEFER_TASKRUN only in
io_uring_enter(2)). A stopped task does not, so the dump has it do so (crtools.dumping.rings), and
looks at the tree anew: a request may have moved a file's position or emptied a pipe.

What waits for something that does not happen is named: kernel memory has lists of requests that
wait to be cancelled (polls, and whatever waits for a file to become ready), of timeouts, and of
what workers are at.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crtools.kinds.files.base import OpenFile
    from crtools.kinds.files.uring_dump import IoUringDumper

# linux/io_uring.h, enum io_uring_op, from 0 on.
OPERATIONS = (
    "NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE SYNC_FILE_RANGE SENDMSG"
    " RECVMSG TIMEOUT TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT FALLOCATE OPENAT"
    " CLOSE FILES_UPDATE STATX READ WRITE FADVISE MADVISE SEND RECV OPENAT2 EPOLL_CTL SPLICE"
    " PROVIDE_BUFFERS REMOVE_BUFFERS TEE SHUTDOWN RENAMEAT UNLINKAT MKDIRAT SYMLINKAT LINKAT"
    " MSG_RING FSETXATTR SETXATTR FGETXATTR GETXATTR SOCKET URING_CMD SEND_ZC SENDMSG_ZC"
    " READ_MULTISHOT WAITID FUTEX_WAIT FUTEX_WAKE FUTEX_WAITV FIXED_FD_INSTALL FTRUNCATE BIND"
    " LISTEN RECV_ZC EPOLL_WAIT READV_FIXED WRITEV_FIXED PIPE"
).split()
NAMED = 8  # requests that a refusal tells one by one
_UPID_BYTES = 16  # struct upid, linux/pid.h: a number and a pointer
# No list that is walked is longer than all requests of a ring can be, unless it is misread.
_LONGEST = 1 << 17


class Requests:
    """What is in flight in a ring, and in others that the same tasks have used."""

    def __init__(self, dumper: IoUringDumper, file: OpenFile, ring: int) -> None:
        self._dumper = dumper
        self._memory = dumper.memory
        self._file = file
        self._ring = ring
        own = self._memory.pointer(self._memory.task, "task_struct", "thread_pid")
        self._level = self._memory.unsigned(own, "pid", "level")

    def busy_tids(self) -> set[int]:
        """The tasks that have requests in flight, by their ids in our pid namespace."""
        return {self._tid(task) for task in self._dumper.in_flight(self._file, self._ring)}

    def _tid(self, task: int) -> int:
        """0 for a task that is not in our namespace."""
        memory = self._memory
        pid = memory.pointer(task, "task_struct", "thread_pid")
        if not pid or memory.unsigned(pid, "pid", "level") < self._level:
            return 0
        return memory.number(memory.at(pid, "pid", "numbers") + _UPID_BYTES * self._level)

    def refusal(self) -> Exception:
        """The error that names them."""
        total = sum(self._dumper.in_flight(self._file, self._ring).values())
        names = self._names()
        shown = names[:NAMED]
        if total > len(shown):
            shown.append(f"{total - len(shown)} more" if shown else "of unknown kinds")
        return self._dumper.refused(
            self._file,
            f"{total} requests are in flight: {', '.join(shown)}"
            if total != 1
            else f"a request is in flight: {shown[0]}",
            "crtools does not carry what does not complete while the program is stopped",
            "let the program wait for them, or cancel them, before the dump",
        )

    def _names(self) -> list[str]:
        """What is found, each as IORING_OP_READ of fd 5."""
        memory = self._memory
        numbers = self._dumper.open_files(self._file)
        found: list[str] = []
        for request in self._find(self._rings(numbers)):
            code = memory.word(memory.at(request, "io_kiocb", "opcode")) & 0xFF
            name = (
                f"IORING_OP_{OPERATIONS[code]}" if code < len(OPERATIONS) else f"operation {code}"
            )
            number = numbers.get(memory.pointer(request, "io_kiocb", "file"))
            found.append(name if number is None else f"{name} of fd {number}")
        return found

    def _rings(self, files: Iterable[int]) -> set[int]:
        """All rings among open files: what is in flight is told of a task, not of a ring."""
        memory = self._memory
        own = {
            memory.pointer(file, "file", "private_data"): memory.pointer(file, "file", "f_op")
            for file in files
        }
        return {ring for ring, kind in own.items() if kind == own[self._ring]}

    def _find(self, rings: set[int]) -> list[int]:
        """The addresses of requests that wait, and of those that are linked to them."""
        memory = self._memory
        found: list[int] = []
        for ring in rings:
            found += self._of_ring(ring)
        for task in self._dumper.in_flight(self._file, self._ring):
            found += self._of_workers(task, rings)
        known = set(found)
        for request in found:  # which grows
            link = memory.pointer(request, "io_kiocb", "link")
            if link and link not in known and len(found) < _LONGEST:
                known.add(link)
                found.append(link)
        return list(dict.fromkeys(found))

    def _of_ring(self, ring: int) -> list[int]:
        memory = self._memory
        found: list[int] = []
        table = memory.at(ring, "io_ring_ctx", "cancel_table")
        buckets = memory.pointer(table, "io_hash_table", "hbs")
        bits = memory.unsigned(table, "io_hash_table", "hash_bits")
        node_at = memory.types.offset("io_kiocb", "hash_node")
        bucket = memory.types.size("io_hash_bucket")
        first = memory.types.offset("io_hash_bucket", "list")
        for index in range(1 << min(bits, 16)):
            node = memory.word(buckets + bucket * index + first)
            while node and len(found) < _LONGEST:
                found.append(node - node_at)
                node = memory.word(node)
        timeout_at = memory.types.offset("io_timeout", "list")
        for member in ("timeout_list", "ltimeout_list"):
            head = memory.at(ring, "io_ring_ctx", member)
            node = memory.word(head)
            while node != head and len(found) < _LONGEST:
                # What an operation keeps begins where the request does (struct io_kiocb).
                found.append(node - timeout_at)
                node = memory.word(node)
        return found

    def _of_workers(self, task: int, rings: set[int]) -> list[int]:
        """What workers of a task (io-wq) are doing for rings."""
        memory = self._memory
        context = memory.pointer(task, "task_struct", "io_uring")
        queue = memory.pointer(context, "io_uring_task", "io_wq")
        if not queue:
            return []
        work_at = memory.types.offset("io_kiocb", "work")
        node_at = memory.types.offset("io_worker", "all_list")
        found: list[int] = []
        for index in range(2):  # bounded work, and unbounded
            account = memory.at(queue, "io_wq", "acct") + memory.types.size("io_wq_acct") * index
            head = memory.at(account, "io_wq_acct", "all_list")
            node = memory.word(head)
            for _ in range(_LONGEST):
                if node == head:
                    break
                work = memory.pointer(node - node_at, "io_worker", "cur_work")
                if work and memory.pointer(work - work_at, "io_kiocb", "ctx") in rings:
                    found.append(work - work_at)
                node = memory.word(node)
        return found
