/* The agent's view of a program: what crtools.agent.program packs and this executes.
 * Layouts are checked against the Python half by tests/unit/agent/test_layout.py. */
#ifndef CRTOOLS_OPS_H
#define CRTOOLS_OPS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

/* What an instruction does. */
enum {
	OP_SYSCALL = 0,	 /* one system call */
	OP_TRANSFER = 1, /* preadv/pwritev until all is moved: fd, iov, iovcnt, offset */
	OP_CLONE = 2,	 /* clone3: args, size, the child's slot */
	OP_MERGE = 3,	 /* copy the pages that differ: dst, src, bytes; result: pages copied */
	OP_COPY = 4,	 /* copy bytes: dst, src, bytes */
	OP_SKIP_IF = 5,	 /* skip arg2 instructions if arg0 == arg1 */
	OP_VALUE = 6,	 /* the result is arg0, to be stored */
	OP_TILES = 7,	 /* use a tile register of AMX once, configured as arg0 points to */
	OP_FLAGS = 8,	 /* set the bits of arg0 in the flags register, for good */
	OP_ZEROS = 9,	 /* find pages that are all zero: iov, iovcnt, a bit for each page, bytes that
			  * are looked at before the orchestrator's death is; result: how many */
};

/* How an argument is found; four bits each in `kinds`. */
enum {
	ARG_VALUE = 0,
	ARG_DATA = 1,	/* an address in the slot's data area */
	ARG_RESULT = 2, /* the result of an earlier instruction */
	ARG_LOAD64 = 3, /* the 64-bit word at an offset of the data area */
	ARG_LOAD32 = 4, /* the signed 32-bit word there */
	ARG_AREA = 5,	/* an address in the area */
	ARG_AREA32 = 6, /* the signed 32-bit word at an offset of the area */
};

/* What the result must be. */
enum {
	EXPECT_ANY = 0,
	EXPECT_NONNEGATIVE = 1,
	EXPECT_VALUE = 2,
	EXPECT_ERRNOS = 3, /* non-negative, or one of up to eight errnos, a byte each */
};

#define STORE_IN_AREA 16

struct insn {
	u32 nr;
	u8 op;
	u8 expect;
	u16 store_bytes; /* 0, 4 or 8: the result also goes into the data area, */
	u32 kinds;
	u32 store_at; /* at this offset; with STORE_IN_AREA: an offset of the area */
	u64 arg[6];
	u64 expected;
	s64 result;
};

/* A task's place in the shared area. `word` is a robust futex of the orchestrator: its tid while
 * it lives, marked FUTEX_OWNER_DIED by the kernel when it dies, whatever killed it. */
struct slot {
	u32 word;
	u32 command; /* programs posted so far */
	u32 done;    /* programs finished so far: a futex */
	u32 left;    /* a visitor: 1 once it needs the area no more: a futex */
	u32 count;   /* instructions of the program */
	u32 stopped; /* where it ended: count, or the instruction that failed */
	u64 program; /* address of the instructions */
	u64 data;    /* address of the data area */
	u64 home;    /* address of the way home (agent/home.S), 0: there is none */
	u64 area;    /* address of the whole area: the owner unmaps it on its way home */
	u64 area_bytes;
	u64 visitor; /* address of the visitor's slot, 0 in the visitor's own */
	u64 robust;  /* the orchestrator's robust list entry (struct robust_list) */
	u64 keep;    /* address of descriptors to close on the way home (int, -1: none), 0: no list */
	u64 keeps;   /* how many */
	u64 careful; /* CAREFUL_*: the task is under seccomp filters, which hold if we are orphaned */
	u64 reserved[1];
};

/* Look whether we are orphaned before every system call. */
#define CAREFUL_LOOK 1
/* Filters forbid the way home: wait and go without any system call but rt_sigreturn(2), for which
 * `home` is the address of a struct ucontext. */
#define CAREFUL_HOME 2

#endif
