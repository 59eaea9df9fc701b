/*
 * A socket with a filter of extended BPF, whose program is pinned at DIR/bpf/filter, and with a lock
 * on it: it drops datagrams that begin with x, and of a unix socket, those with x in the ninth place.
 * With `group` it divides the sockets of a port; with `drop` a program of another type does
 * (BPF_PROG_TYPE_SK_REUSEPORT), by which datagrams of odd lengths are for nobody; with `select` one
 * that finds the second socket in a map.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct sockaddr_in name = { .sin_family = AF_INET };

static int load(union bpf_attr *attributes)
{
	union bpf_attr pin = { .pathname = (uintptr_t)"bpf/filter" };
	int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, attributes, sizeof(*attributes));

	if (program < 0)
		skip("BPF programs cannot be loaded here");
	pin.bpf_fd = (uint32_t)program;
	NEED(syscall(SYS_bpf, BPF_OBJ_PIN, &pin, sizeof(pin)) == 0);
	return program;
}

/* Of a port, with others: the first chooses it. */
static int bound(void)
{
	socklen_t size = sizeof(name);
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);

	NEED(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
	NEED(getsockname(fd, (void *)&name, &size) == 0);
	return fd;
}

static void send_from(int fd, const char *text)
{
	size_t length = strlen(text);

	NEED(sendto(fd, text, length, 0, (void *)&name, sizeof(name)) == (ssize_t)length);
}

static int reuseport(bool selects)
{
	union bpf_attr sockets = { .map_type = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, .key_size = 4,
				   .value_size = 8, .max_entries = 2 };
	const int map = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &sockets, sizeof(sockets));
	const struct bpf_insn drops[] = {
		/* struct sk_reuseport_md: the length, with the UDP header */
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 0, .src_reg = 1, .off = 16 },
		{ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_ALU64 | BPF_XOR | BPF_K, .dst_reg = 0, .imm = SK_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const struct bpf_insn selecting[] = {
		{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = 1 },
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sk_select_reuseport },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = SK_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_SK_REUSEPORT,
				      .insn_cnt = selects ? COUNT(selecting) : COUNT(drops),
				      .insns = (uintptr_t)(selects ? selecting : drops),
				      .license = (uintptr_t)"GPL", .prog_name = "divides" };
	const int program = load(&attributes), from = socket(AF_INET, SOCK_DGRAM, 0);
	int fds[2], got = 0;
	char text[16];

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(map >= 0 && from >= 0);
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t value;
		union bpf_attr put = { .map_fd = (uint32_t)map, .key = (uintptr_t)&i,
				       .value = (uintptr_t)&value };

		value = (uint64_t)(fds[i] = bound());
		NEED(!selects || syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &put, sizeof(put)) == 0);
	}
	NEED(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)) == 0);
	close(program);
	close(map);

	ready();
	wait_until_told();

	for (int i = 0; i < 8; i++) {
		send_from(from, selects ? "even" : "odd");
		send_from(from, "even");
	}
	for (int i = 0; i < 2; i++) {
		ssize_t length;

		while ((length = recv(fds[i], text, sizeof(text), MSG_DONTWAIT)) >= 0) {
			CHECK("nothing odd", 4, length);
			got += selects ? i : 1;
		}
		CHECK("nothing else", EAGAIN, errno);
	}
	CHECK("all that was to be received", selects ? 16 : 8, got);
	return verdict();
}

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
	union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = COUNT(code),
				.insns = (uintptr_t)code, .license = (uintptr_t)"GPL",
				.prog_name = "no_x" };
	socklen_t size = sizeof(name);
	int fds[2], pair[2], on = 1, from, program;
	char text[16];

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "drop") || !strcmp(variant(argc, argv), "select"))
		return reuseport(!strcmp(variant(argc, argv), "select"));
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	program = load(&attributes);
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
