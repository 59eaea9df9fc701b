/* The blob's head: a table that crtools.agent.blob reads, then the way in. */
	.section .head, "ax"
	.globl _start
_start:
	.ascii "crtools\0"
	.long entry - _start		/* rdi: the slot; rsp: the top of its stack */
	.long syscall_here - _start	/* one system call, registers as set from outside */
	.long owner_home - _start
	.long owner_data - _start
	.long owner_end - _start
	.long owner_unmap - _start
	.long owner_heal - _start
	.long visitor_home - _start
	.long visitor_data - _start
	.long visitor_end - _start
	.long gate - _start
	.long gate_passed - _start
	.long gate_left - _start
	.long gate_data - _start
	.long gate_end - _start
	.long leave - _start		/* the end of a process that is nobody's */
	.balign 16
entry:
	xor %ebp, %ebp
	and $-16, %rsp
	call agent_main
	ud2
syscall_here:
	syscall
	ud2
/* The end of a copy (crtools.agent.copy) that the tool has left alone: under its name, by which the
 * zombie is known, and in a session of its own. */
leave:
	mov $157, %eax			/* prctl(PR_SET_NAME) */
	mov $15, %edi
	lea name(%rip), %rsi
	syscall
	mov $112, %eax			/* setsid */
	syscall
	mov $231, %eax			/* exit_group */
	xor %edi, %edi
	syscall
	ud2
name:
	.asciz "crtools-copy"

	.section .note.GNU-stack, "", @progbits
