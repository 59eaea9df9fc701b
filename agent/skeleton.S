/* What every restored process starts as: it waits, and its one system call instruction is driven
 * with ptrace until the agent is mapped. Linked to a static ELF of one page. */
	.globl _start
_start:
	mov $34, %eax	/* pause: nothing runs here until the tracer has come */
	syscall
	jmp _start

	.section .note.GNU-stack, "", @progbits
