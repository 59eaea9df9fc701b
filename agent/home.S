/* The way home: the code that brings a task back to what it was doing when nobody is left to do it
 * with ptrace. It is copied to executable padding of the task itself (crtools.agent.inject), with
 * the data behind it filled in, before the task's registers are changed for the first time.
 *
 * The rules that make every instant safe (docs/decisions/0001):
 *  - rsp is the task's own until all signals are blocked, since a handler may run at any time;
 *  - it writes nothing: the padding is not writable and the area may be gone;
 *  - after the flags are set only mov, lea and syscall follow, which leave them alone.
 *
 * Data: the first 20 words of user_regs_struct (sys/user.h) as they are to be, the signal mask,
 * all ones, a zero timespec, the instruction pointer for -EINTR (0: none), an address. */
#define R15 0
#define R14 8
#define R11 48
#define R10 56
#define R9 64
#define R8 72
#define RAX 80
#define RCX 88
#define RDX 96
#define RSI 104
#define RDI 112
#define RIP 128
#define FLAGS 144
#define RSP 152
#define MASK 160
#define ALL 168
#define ZERO 176
#define EINTR_RIP 192
#define LEFT 200
#define DATA_BYTES 208

#define SYS_munmap 11
#define SYS_rt_sigprocmask 14
#define SYS_futex 202
#define SYS_ppoll 271
#define SIG_SETMASK 2
#define FUTEX_WAKE_OP 5
#define SET_TO_ONE 0x1000	/* FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0) */

.macro set_mask data, at
	mov $SYS_rt_sigprocmask, %eax
	mov $SIG_SETMASK, %edi
	lea \data+\at(%rip), %rsi
	mov $0, %edx
	mov $8, %r10d
	syscall
.endm

/* Flags: no instruction after popfq changes them, and system calls keep them. What system calls
 * keep too is popped; the rest is loaded after the last one. */
.macro back data, eintr
	lea \data+R15(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	lea \data+FLAGS(%rip), %rsp
	popfq
	pop %rsp
	set_mask \data, MASK
	mov \data+R11(%rip), %r11
	mov \data+R10(%rip), %r10
	mov \data+RCX(%rip), %rcx
	mov \data+RDX(%rip), %rdx
	mov \data+RSI(%rip), %rsi
	mov \data+RDI(%rip), %rdi
	.if \eintr
	mov $-4, %rax
	jmp *\data+EINTR_RIP(%rip)
	.else
	mov \data+RAX(%rip), %rax
	jmp *\data+RIP(%rip)
	.endif
.endm

/* A call such as pause() must return -EINTR, not begin again, if a handler runs on the way. ppoll
 * with the task's mask and no time says so: it answers -EINTR just then. */
.macro way_home data
	mov \data+RSP(%rip), %rsp
	set_mask \data, ALL
	cmpq $0, \data+EINTR_RIP(%rip)
	je 1f
	mov $SYS_ppoll, %eax
	mov $0, %edi
	mov $0, %esi
	lea \data+ZERO(%rip), %rdx
	lea \data+MASK(%rip), %r10
	mov $8, %r8d
	syscall
	cmp $-4, %rax
	jne 1f
	back \data, 1
1:	back \data, 0
.endm

	.section .home, "ax"
	.globl owner_home, owner_data, owner_end, owner_unmap, owner_heal
	.globl visitor_home, visitor_data, visitor_end

/* The task that owns the area. Enters at owner_home for the mmap, at owner_unmap (rdi, rsi: the
 * area) to leave. */
	.balign 8
owner_home:
	syscall
	mov %rax, %rdi
	mov owner_data+LEFT(%rip), %rsi		/* here: the area's length */
owner_unmap:
	mov $SYS_munmap, %eax
	syscall
owner_heal:
	way_home owner_data
	.balign 8
owner_data:
	.skip DATA_BYTES
owner_end:

/* Another thread that ran in the area. It says that it needs the area no more with a store that
 * the kernel makes, since the area may be unmapped already: then it fails and nothing is lost. */
	.balign 8
visitor_home:
	mov $SYS_futex, %eax
	mov visitor_data+LEFT(%rip), %rdi
	mov $FUTEX_WAKE_OP, %esi
	mov $1, %edx
	mov $0, %r10d
	mov %rdi, %r8
	mov $SET_TO_ONE, %r9d
	syscall
	way_home visitor_data
	.balign 8
visitor_data:
	.skip DATA_BYTES
visitor_end:

/* A system call that the task's seccomp filters forbid (crtools.agent.careful). They are suspended
 * as long as the tool lives, so the task may make it only then. It waits here, where nothing
 * happens to it if the tool dies: for a while, and then it goes on as if it had not been here. The
 * tool opens the gate when it sees it waiting, and stops it behind.
 *
 * Signals are not blocked, since nothing here could unblock them again without a system call: rsp
 * is the task's own all the time. r15 and r14 say how long; what is lost of the flags is what the
 * data has: sahf and an addition put that back. */
#define GATE_OPEN LEFT			/* 32 bits, */
#define GATE_OVERFLOW (LEFT + 4)	/* 8 bits: the overflow flag */
	.balign 8
	.globl gate, gate_passed, gate_left, gate_data, gate_end
gate:
	pause
	dec %r15
	jz gate_left
	cmpl $0, gate_data+GATE_OPEN(%rip)
	je gate
	syscall
gate_passed:
1:	pause
	dec %r14
	jnz 1b
gate_left:
	mov gate_data+GATE_OVERFLOW(%rip), %al
	add $0x7f, %al
	mov gate_data+FLAGS(%rip), %ah
	sahf
	mov gate_data+R15(%rip), %r15
	mov gate_data+R14(%rip), %r14
	mov gate_data+R11(%rip), %r11
	mov gate_data+R10(%rip), %r10
	mov gate_data+R9(%rip), %r9
	mov gate_data+R8(%rip), %r8
	mov gate_data+RCX(%rip), %rcx
	mov gate_data+RDX(%rip), %rdx
	mov gate_data+RSI(%rip), %rsi
	mov gate_data+RDI(%rip), %rdi
	mov gate_data+RAX(%rip), %rax
	jmp *gate_data+RIP(%rip)
	.balign 8
gate_data:
	.skip DATA_BYTES
gate_end:
	.byte 0

	.section .note.GNU-stack, "", @progbits
