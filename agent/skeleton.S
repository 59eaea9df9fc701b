/* What every restored process starts as: it waits, and its first system call instruction is driven
 * with ptrace until the agent is mapped. One that nobody has seized after five seconds ends: its
 * tool was killed before it could. Linked to a static ELF of one page. */
	.globl _start
_start:
	mov $5000, %edx	/* poll(0, 0, 5000): execve has left the other registers zero */
	mov $7, %eax
	syscall
	xor %edi, %edi
	mov $231, %eax	/* exit_group(0) */
	syscall

	.section .note.GNU-stack, "", @progbits
