/* Filters made of a few rules. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include "program.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define RULES 16

struct rule {
	long number;	/* a system call, */
	long arg;	/* with this first argument; -1: whatever it is */
	uint32_t action;
};

/* Installs a filter: the action of the first rule that fits, else `otherwise`. */
UNUSED static long install(const struct rule *rules, size_t count, uint32_t otherwise, unsigned flags)
{
	struct sock_filter code[4 + 5 * RULES];
	unsigned short used = 0;
	struct sock_fprog program;

#define ADD(...) (code[used++] = (struct sock_filter)__VA_ARGS__)
	NEED(count <= RULES);
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	for (size_t i = 0; i < count; i++) {
		unsigned char with_arg = rules[i].arg >= 0;

		ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rules[i].number, 0,
			     (unsigned char)(with_arg ? 3 : 1)));
		if (with_arg) {
			ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
			ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rules[i].arg, 0, 1));
		}
		ADD(BPF_STMT(BPF_RET | BPF_K, rules[i].action));
	}
	ADD(BPF_STMT(BPF_RET | BPF_K, otherwise));
#undef ADD
	program.len = used;
	program.filter = code;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* What a filter that answers with an errno says; no call that these tests make does anything. */
#define ANSWER(error) (SECCOMP_RET_ERRNO | (error))

UNUSED static void check_answer(const char *what, int error, long number, long arg)
{
	errno = 0;
	CHECK(what, error ? -1 : 0, syscall(number, arg, 0, 0, 0, 0, 0) < 0 ? -1 : 0);
	CHECK(what, error, errno);
}

#endif
