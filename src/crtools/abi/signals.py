"""Signals as the kernel numbers them: sigaction(2), sigaltstack(2), siginfo.

A mask of 64 bits holds signal N in bit N - 1. The kernel's first real-time signal is 32; C
libraries keep the first two or three of them for themselves, so their SIGRTMIN differs.
"""

from __future__ import annotations

# asm/signal.h
SIGHUP = 1
SIGINT = 2
SIGQUIT = 3
SIGILL = 4
SIGTRAP = 5
SIGABRT = 6
SIGBUS = 7
SIGFPE = 8
SIGKILL = 9
SIGUSR1 = 10
SIGSEGV = 11
SIGUSR2 = 12
SIGPIPE = 13
SIGALRM = 14
SIGTERM = 15
SIGSTKFLT = 16
SIGCHLD = 17
SIGCONT = 18
SIGSTOP = 19
SIGTSTP = 20
SIGTTIN = 21
SIGTTOU = 22
SIGURG = 23
SIGXCPU = 24
SIGXFSZ = 25
SIGVTALRM = 26
SIGPROF = 27
SIGWINCH = 28
SIGIO = 29
SIGPWR = 30
SIGSYS = 31
SIGRTMIN = 32
SIGRTMAX = 64

# asm/signal.h: _NSIG, and the size of the kernel's sigset_t in bytes
NSIG = 64
SIGSET_SIZE = 8

# asm-generic/signal-defs.h; SA_RESTORER: asm/signal.h
SA_NOCLDSTOP = 0x00000001
SA_NOCLDWAIT = 0x00000002
SA_SIGINFO = 0x00000004
SA_UNSUPPORTED = 0x00000400
SA_EXPOSE_TAGBITS = 0x00000800
SA_RESTORER = 0x04000000
SA_ONSTACK = 0x08000000
SA_RESTART = 0x10000000
SA_NODEFER = 0x40000000
SA_RESETHAND = 0x80000000

# asm-generic/signal-defs.h: rt_sigprocmask(2), and a handler that is none
SIG_BLOCK = 0
SIG_UNBLOCK = 1
SIG_SETMASK = 2
SIG_DFL = 0
SIG_IGN = 1

# linux/signal.h: sigaltstack(2)
SS_ONSTACK = 0x1
SS_DISABLE = 0x2
SS_AUTODISARM = 0x80000000

# asm/signal.h
MINSIGSTKSZ = 2048

# asm-generic/siginfo.h: si_code, for every signal; negative: sent from user space
SI_MAX_SIZE = 128
SI_USER = 0
SI_KERNEL = 128
SI_QUEUE = -1
SI_TIMER = -2
SI_MESGQ = -3
SI_ASYNCIO = -4
SI_SIGIO = -5
SI_TKILL = -6
SI_DETHREAD = -7
SI_ASYNCNL = -60

# asm-generic/siginfo.h: si_code of SIGCHLD, of SIGTRAP, of SIGSYS
CLD_EXITED = 1
CLD_KILLED = 2
CLD_DUMPED = 3
CLD_TRAPPED = 4
CLD_STOPPED = 5
CLD_CONTINUED = 6
TRAP_BRKPT = 1
TRAP_TRACE = 2
TRAP_BRANCH = 3
TRAP_HWBKPT = 4
TRAP_UNK = 5
TRAP_PERF = 6
SYS_SECCOMP = 1
SYS_USER_DISPATCH = 2

# asm-generic/siginfo.h: sigevent.sigev_notify
SIGEV_SIGNAL = 0
SIGEV_NONE = 1
SIGEV_THREAD = 2
SIGEV_THREAD_ID = 4
