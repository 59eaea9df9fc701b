/*
 * Files of the kernel's own, and devices, that cannot be carried, one by variant. All that it has to
 * show in the end is that it still has them.
 */
#include "program.h"
#include <linux/bpf.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static int fds[3] = { -1, -1, -1 };

static long bpf(int command, union bpf_attr *attributes)
{
	long got = syscall(SYS_bpf, command, attributes, sizeof(*attributes));

	if (got < 0 && (errno == EPERM || errno == ENOSYS))
		skip("bpf(2) is not allowed here");
	return got;
}

static int load_program(uint32_t type)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = type;
	attributes.insns = (uintptr_t)code;
	attributes.insn_cnt = COUNT(code);
	attributes.license = (uintptr_t)"GPL";
	return (int)bpf(BPF_PROG_LOAD, &attributes);
}

static void make_bpf_program(void)
{
	fds[0] = load_program(BPF_PROG_TYPE_SOCKET_FILTER);
}

static void make_bpf_link(void)
{
	union bpf_attr attributes;
	int program = load_program(BPF_PROG_TYPE_RAW_TRACEPOINT);

	NEED(program >= 0);
	memset(&attributes, 0, sizeof(attributes));
	attributes.raw_tracepoint.name = (uintptr_t)"sched_process_exec";
	attributes.raw_tracepoint.prog_fd = (uint32_t)program;
	fds[0] = (int)bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes);
	if (fds[0] < 0)
		skip("no tracepoint can be attached to here");
	close(program);
}

static void make_btf(void)
{
	/* A header, and the type "int" with its name. */
	struct {
		uint16_t magic;
		uint8_t version, flags;
		uint32_t header, type_offset, type_bytes, string_offset, string_bytes;
		uint32_t type[4];
		char strings[8];
	} types = { 0xeb9f, 1, 0, 24, 0, 16, 16, 5, { 1, 1 << 24, 4, 1 << 24 | 32 }, "\0int" };
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.btf = (uintptr_t)&types;
	attributes.btf_size = 24 + 16 + 5;
	fds[0] = (int)bpf(BPF_BTF_LOAD, &attributes);
}

static void make_perf_event(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_TASK_CLOCK,
	};

	fds[0] = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
	if (fds[0] < 0 && (errno == ENOSYS || errno == EACCES || errno == EPERM))
		skip("no performance events here");
}

static void make_file_system(void)
{
	fds[0] = (int)syscall(SYS_fsopen, "tmpfs", 0);
	if (fds[0] < 0 && errno == EPERM)
		skip("no file system can be made here");
}

static void make_mount(void)
{
	int context;

	make_file_system();
	context = fds[0];
	NEED(context >= 0 && syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0);
	fds[0] = (int)syscall(SYS_fsmount, context, 0, 0);
	close(context);
}

static void make_tree(void)
{
	fds[0] = (int)syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */);
	if (fds[0] < 0 && errno == EPERM)
		skip("no mount can be made here");
}

static void make_ruleset(void)
{
	struct landlock_ruleset_attr attributes = { .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE };

	fds[0] = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (fds[0] < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		skip("no Landlock here");
}

static void open_kvm(void)
{
	fds[1] = open("/dev/kvm", O_RDWR);
	if (fds[1] < 0)
		skip("no KVM here");
}

static void make_machine(void)
{
	open_kvm();
	fds[0] = ioctl(fds[1], KVM_CREATE_VM, 0);
	if (fds[0] < 0)
		skip("no virtual machine can be made here");
	close(fds[1]);
	fds[1] = -1;
}

static void make_processor(void)
{
	make_machine();
	fds[1] = ioctl(fds[0], KVM_CREATE_VCPU, 0);
	NEED(fds[1] >= 0 && dup2(fds[1], fds[0]) == fds[0]);
}

static void open_device(const char *path, int flags)
{
	fds[0] = open(path, flags);
	if (fds[0] < 0)
		skip("the device is not here");
}

static void make_fuse(void)
{
	open_device("/dev/fuse", O_RDWR);
}

/* Connected: it serves a file system, which is mounted nowhere. */
static void make_fuse_server(void)
{
	char number[16];
	int context;

	make_fuse();
	context = (int)syscall(SYS_fsopen, "fuse", 0);
	if (context < 0)
		skip("no file system can be made here");
	snprintf(number, sizeof(number), "%d", fds[0]);
	NEED(syscall(SYS_fsconfig, context, 1, "source", "crtools", 0) == 0);
	NEED(syscall(SYS_fsconfig, context, 1, "fd", number, 0) == 0);
	NEED(syscall(SYS_fsconfig, context, 1, "rootmode", "40000", 0) == 0);
	NEED(syscall(SYS_fsconfig, context, 1, "user_id", "0", 0) == 0);
	NEED(syscall(SYS_fsconfig, context, 1, "group_id", "0", 0) == 0);
	NEED(syscall(SYS_fsconfig, context, 6, NULL, NULL, 0) == 0);
	close(context);
}

static void make_latency(void)
{
	open_device("/dev/cpu_dma_latency", O_RDWR);
}

static void make_arbiter(void)
{
	open_device("/dev/vga_arbiter", O_RDWR);
}

/* Nobody is in it, and it is mounted nowhere. */
static void make_namespace(void)
{
	int home = open("/proc/self/ns/uts", O_RDONLY);

	NEED(home >= 0);
	if (unshare(CLONE_NEWUTS))
		skip("no namespace can be made here");
	fds[0] = open("/proc/self/ns/uts", O_RDONLY);
	NEED(setns(home, CLONE_NEWUTS) == 0 && close(home) == 0);
}

static void make_log(void)
{
	open_device("/dev/kmsg", O_RDONLY);
}

static const struct {
	const char *name;
	void (*make)(void);
} KINDS[] = {
	{ "bpf-program", make_bpf_program },
	{ "bpf-link", make_bpf_link },
	{ "btf", make_btf },
	{ "perf-event", make_perf_event },
	{ "file-system", make_file_system },
	{ "mount", make_mount },
	{ "tree", make_tree },
	{ "ruleset", make_ruleset },
	{ "machine", make_machine },
	{ "processor", make_processor },
	{ "fuse-server", make_fuse_server },
	{ "latency", make_latency },
	{ "arbiter", make_arbiter },
	{ "log", make_log },
	{ "namespace", make_namespace },
};

static void name(int fd, char *link, size_t size)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = readlink(path, link, size - 1);
	NEED(got > 0);
	link[got] = 0;
}

int main(int argc, char **argv)
{
	char before[256], after[256];

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(KINDS); i++) {
		if (!strcmp(variant(argc, argv), KINDS[i].name))
			KINDS[i].make();
	}
	NEED(fds[0] >= 0);
	name(fds[0], before, sizeof(before));

	ready();
	wait_until_told();

	name(fds[0], after, sizeof(after));
	check_text("what it has", before, after);
	return verdict();
}
