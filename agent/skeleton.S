/* What every restored process starts as: one system call instruction, driven with ptrace until the
 * agent is mapped. Linked to a static ELF of one page. */
	.globl _start
_start:
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
