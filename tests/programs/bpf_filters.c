/*
 * A socket with a filter of extended BPF, whose program is pinned at DIR/bpf/filter, and with a lock
 * on it: it drops datagrams that begin with x, and of a unix socket, those with x in the ninth place.
 * With `group` it divides the sockets of a port.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	const bool group = !strcmp(variant(argc, argv), "group");
	/* Of a datagram for a filter, the UDP header comes first. */
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LD | BPF_ABS | BPF_B, .imm = group ? 0 : 8 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 2, .imm = 'x' },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = group ? 0 : -1 },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = group },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = COUNT(code),
				.insns = (uintptr_t)code, .license = (uintptr_t)"GPL",
				.prog_name = "no_x" };
	union bpf_attr pin = { .pathname = (uintptr_t)"bpf/filter" };
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);
	int fds[2], pair[2], on = 1, from, program;
	char text[16];

	begin(argc, argv);
	program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (program < 0)
		skip("BPF programs cannot be loaded here");
	pin.bpf_fd = (uint32_t)program;
	NEED(syscall(SYS_bpf, BPF_OBJ_PIN, &pin, sizeof(pin)) == 0);
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		NEED(fds[i] >= 0);
		NEED(setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
		if (!i || group) {
			NEED(bind(fds[i], (void *)&name, sizeof(name)) == 0);
			NEED(getsockname(fds[i], (void *)&name, &size) == 0);
		}
	}
	NEED(setsockopt(fds[0], SOL_SOCKET, group ? SO_ATTACH_REUSEPORT_EBPF : SO_ATTACH_BPF, &program,
			sizeof(program)) == 0);
	NEED(group || setsockopt(fds[0], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) == 0);
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	NEED(group || setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0);
	close(program);
	from = socket(AF_INET, SOCK_DGRAM, 0);
	NEED(from >= 0);

	ready();
	wait_until_told();

	NEED(sendto(from, "x1", 2, 0, (void *)&name, sizeof(name)) == 2);
	NEED(sendto(from, "y2", 2, 0, (void *)&name, sizeof(name)) == 2);
	CHECK("received", 2, recv(fds[0], text, sizeof(text), 0));
	check_bytes("not the first", "y2", text, 2);
	CHECK("nothing else", -1, recv(fds[0], text, sizeof(text), MSG_DONTWAIT));
	if (group) {
		CHECK("received by the other", 2, recv(fds[1], text, sizeof(text), 0));
		check_bytes("the first", "x1", text, 2);
	} else {
		NEED(send(pair[1], "12345678x", 9, 0) == 9 && send(pair[1], "12345678y", 9, 0) == 9);
		CHECK("of the unix socket", 9, recv(pair[0], text, 9, 0));
		check_bytes("of the unix socket", "12345678y", text, 9);
		CHECK("locked", -1, setsockopt(fds[0], SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)));
		CHECK("errno", EPERM, errno);
	}
	return verdict();
}
