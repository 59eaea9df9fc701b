"""Names of error numbers, those included that the kernel keeps to itself.

A debugger sees the latter in the result register of an interrupted system call: they say how the
kernel means to go on with it (include/linux/errno.h, signal(7) on interrupted calls).
"""

from __future__ import annotations

import errno

# include/linux/errno.h, not in the kernel's user headers
ERESTARTSYS = 512
ERESTARTNOINTR = 513
ERESTARTNOHAND = 514
ENOIOCTLCMD = 515
ERESTART_RESTARTBLOCK = 516
EPROBE_DEFER = 517
EOPENSTALE = 518
ENOPARAM = 519
EBADHANDLE = 521
ENOTSYNC = 522
EBADCOOKIE = 523
ENOTSUPP = 524
ETOOSMALL = 525
ESERVERFAULT = 526
EBADTYPE = 527
EJUKEBOX = 528
EIOCBQUEUED = 529
ERECALLCONFLICT = 530
ENOGRACE = 531


def errno_name(number: int) -> str:
    """The name of an error number of either sign: "ENOMEM"; "errno 4000" if it has none."""
    number = abs(number)
    if number in errno.errorcode:
        # Python lists EWOULDBLOCK, EDEADLOCK and ENOTSUP last for numbers with two names.
        return {
            errno.EAGAIN: "EAGAIN",
            errno.EDEADLK: "EDEADLK",
            errno.EOPNOTSUPP: "EOPNOTSUPP",
        }.get(number, errno.errorcode[number])
    for name, value in globals().items():
        if value == number and name.startswith("E"):
            return name
    return f"errno {number}"
