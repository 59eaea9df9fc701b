"""Builds crtools._kernel, the extension under crtools.abi.kernel (run by setup.py)."""

from pathlib import Path

from cffi import FFI

_SOURCES = ("kernel.c", "kernel_look.c", "kernel_frames.c")

ffibuilder = FFI()
ffibuilder.cdef(
    """
    long crt_syscall(long nr, unsigned long a, unsigned long b, unsigned long c,
                     unsigned long d, unsigned long e, unsigned long f);
    void crt_calls(unsigned long fd, unsigned long rows, unsigned long count);
    long crt_calls_apart(unsigned long rows, unsigned long count, unsigned long number);
    long crt_seize(long tid, unsigned long options);
    long crt_seize_patience(long milliseconds);
    void crt_seize_patience_end(void);
    long crt_futex_wait(unsigned long word, unsigned int value, unsigned int milliseconds);
    long crt_futex_post(unsigned long word);
    long crt_spawn(unsigned long args, unsigned long size, int fd, int death_signal);
    long crt_find_zeros(unsigned long start, unsigned long pages, unsigned long bits);
    long crt_spawn_orphan(unsigned long args, unsigned long size, int fd);
    long crt_robust_begin(long offset);
    long crt_robust_end(void);
    void crt_robust_add(unsigned long entry);
    void crt_robust_remove(unsigned long entry);
    void crt_copy(unsigned long to, unsigned long from, unsigned long bytes);
    unsigned long crt_xcr0(void);
    void crt_look(unsigned long job);
    long crt_ahead_begin(int infos, int pidfd);
    void crt_ahead_give(unsigned long job);
    void crt_ahead_wait(void);
    void crt_ahead_end(void);
    void crt_ask(int pidfd, unsigned long fds, unsigned long count, unsigned long blank,
                 unsigned long head, unsigned long rows, unsigned long questions,
                 unsigned long records, unsigned long record_bytes);
    long crt_find(int tid, unsigned int fd, unsigned long others, unsigned long count);
    unsigned long crt_frames_new(void);
    void crt_frames_free(unsigned long frames);
    long crt_frames_find(unsigned long frames, int pagemap, unsigned long ranges,
                         unsigned long count, unsigned long found);
    long crt_frames_add(unsigned long frames, int pagemap, unsigned long runs,
                        unsigned long count);
    long crt_frames_check(unsigned long frames, int pagemap, unsigned long runs,
                          unsigned long count, unsigned long expected);
    void crt_cpuid(unsigned int leaf, unsigned int subleaf, unsigned long out);
    """
)
ffibuilder.set_source(
    "crtools._kernel",
    "".join(Path(__file__).with_name(name).read_text() for name in _SOURCES),
    extra_compile_args=["-O2", "-Wall", "-Wextra", "-pthread"],
    extra_link_args=["-pthread"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
