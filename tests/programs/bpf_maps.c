/*
 * BPF maps: arrays, hashes, a trie, values for each CPU; frozen, with flags and names; one opened
 * again for reading alone. "used", "pinned", "ring": maps that cannot be carried.
 */
#include "program.h"
#include <linux/bpf.h>

static long bpf(int command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int make(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags, const char *name)
{
	union bpf_attr attributes;
	int fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_type = type;
	attributes.key_size = key;
	attributes.value_size = value;
	attributes.max_entries = entries;
	attributes.map_flags = flags;
	strcpy(attributes.map_name, name);
	fd = (int)bpf(BPF_MAP_CREATE, &attributes);
	if (fd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("bpf(2) is not allowed here");
	NEED(fd >= 0);
	return fd;
}

static long element(int command, int fd, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_fd = (uint32_t)fd;
	attributes.key = (uintptr_t)key;
	attributes.value = (uintptr_t)value;
	attributes.flags = flags;
	return bpf(command, &attributes);
}

static void put(int fd, const void *key, const void *value)
{
	NEED(element(BPF_MAP_UPDATE_ELEM, fd, key, value, 0) == 0);
}

static struct bpf_map_info ask(int fd)
{
	struct bpf_map_info info;
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	memset(&info, 0, sizeof(info));
	attributes.info.bpf_fd = (uint32_t)fd;
	attributes.info.info_len = sizeof(info);
	attributes.info.info = (uintptr_t)&info;
	NEED(bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0);
	return info;
}

static int open_again(int fd, uint32_t flags)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.map_id = ask(fd).id;
	attributes.open_flags = flags;
	return (int)bpf(BPF_MAP_GET_FD_BY_ID, &attributes);
}

static void check_map(const char *what, int fd, uint32_t type, uint32_t entries, uint32_t flags, const char *name)
{
	struct bpf_map_info info = ask(fd);

	CHECK(what, type, info.type);
	CHECK(what, entries, info.max_entries);
	CHECK(what, flags, info.map_flags);
	check_text(what, name, info.name);
}

static uint64_t per_cpu[4096], got[4096];

static int count_cpus(void)
{
	char text[256];

	read_file("/sys/devices/system/cpu/possible", text, sizeof(text));
	return atoi(strrchr(text, '-') ? strrchr(text, '-') + 1 : text) + 1;
}

/* "used": by a program that a process outside has; "pinned": that one has the map itself. */
static int used(const char *how)
{
	int map = make(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, "used"), program = -1;
	union bpf_attr attributes;
	struct bpf_insn code[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	if (!strcmp(how, "ring")) {
		close(map);
		map = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0, "ring");
	} else {
		if (!strcmp(how, "used")) {
			memset(&attributes, 0, sizeof(attributes));
			attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
			attributes.insns = (uintptr_t)code;
			attributes.insn_cnt = COUNT(code);
			attributes.license = (uintptr_t)"GPL";
			program = (int)bpf(BPF_PROG_LOAD, &attributes);
			NEED(program >= 0);
		}
		/* Somebody who is no child of ours, and lives until we are told. */
		if (fork() == 0) {
			if (fork())
				_exit(0);
			if (program >= 0)
				close(map);
			else
				NEED(open_again(map, 0) >= 0 && close(map) == 0);
			wait_until_told();
			_exit(0);
		}
		NEED(wait(NULL) > 0);
		close(program);
	}

	ready();
	wait_until_told();

	check_map("its map", map, !strcmp(how, "ring") ? BPF_MAP_TYPE_RINGBUF : BPF_MAP_TYPE_ARRAY,
		  !strcmp(how, "ring") ? 4096 : 1, 0, how[0] == 'p' ? "used" : how);
	return verdict();
}

int main(int argc, char **argv)
{
	int array, hash, trie, lru, cpus, cpu_hash, frozen, empty, again, same, reader;
	uint64_t value;
	int64_t wide;
	char text[32];
	struct { uint32_t bits; uint8_t address[4]; } prefix = { 8, { 10, 0, 0, 0 } };
	int possible = count_cpus();

	begin(argc, argv);
	if (*variant(argc, argv))
		return used(variant(argc, argv));
	NEED(possible <= (int)COUNT(per_cpu));
	array = make(BPF_MAP_TYPE_ARRAY, 4, 8, 1000, 0, "numbers");
	for (uint32_t i = 0; i < 1000; i += 3) {
		value = pattern(1, i);
		put(array, &i, &value);
	}
	hash = make(BPF_MAP_TYPE_HASH, 32, 9, 20000, BPF_F_NO_PREALLOC, "names");
	for (int i = 0; i < 15000; i++) {
		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "name %d", i);
		put(hash, text, "123456789" );
	}
	trie = make(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 10, BPF_F_NO_PREALLOC, "");
	value = 10;
	put(trie, &prefix, &value);
	prefix.bits = 16;
	value = 16;
	put(trie, &prefix, &value);
	lru = make(BPF_MAP_TYPE_LRU_HASH, 8, 4, 100, 0, "recent");
	wide = -7;
	put(lru, &wide, "abc");
	cpus = make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 5, 2, 0, "of_cpus");
	fill_pattern(per_cpu, (size_t)possible * 8, 3);
	for (int i = 0; i < possible; i++)
		per_cpu[i] &= 0xffffffffff;
	put(cpus, &(int){ 1 }, per_cpu);
	cpu_hash = make(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 5, 0, "");
	put(cpu_hash, &(int){ 77 }, per_cpu);
	frozen = make(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_RDONLY_PROG, "constant");
	put(frozen, &(int){ 0 }, "cold");
	{
		union bpf_attr attributes;

		memset(&attributes, 0, sizeof(attributes));
		attributes.map_fd = (uint32_t)frozen;
		NEED(bpf(BPF_MAP_FREEZE, &attributes) == 0);
	}
	empty = make(BPF_MAP_TYPE_HASH, 4, 4, 3, 0, "empty");
	again = open_again(array, 0);
	reader = open_again(array, BPF_F_RDONLY);
	same = dup(array);
	NEED(again >= 0 && reader >= 0 && same >= 0);

	ready();
	wait_until_told();

	check_map("the array", array, BPF_MAP_TYPE_ARRAY, 1000, 0, "numbers");
	for (uint32_t i = 0; i < 1000; i++) {
		value = 1;
		CHECK("an element", 0, element(BPF_MAP_LOOKUP_ELEM, reader, &i, &value, 0));
		CHECK("an element's value", i % 3 ? 0 : pattern(1, i), value);
	}
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(array, F_GETFD));
	CHECK("close-on-exec of a copy", 0, fcntl(same, F_GETFD));
	CHECK("writing to what is for reading", -1, element(BPF_MAP_UPDATE_ELEM, reader, &(int){ 0 }, &value, 0));
	CHECK("the same map", ask(array).id, ask(reader).id);
	value = 99;
	put(again, &(int){ 5 }, &value);
	value = 0;
	CHECK("one map", 0, element(BPF_MAP_LOOKUP_ELEM, same, &(int){ 5 }, &value, 0));
	CHECK("one map", 99, value);
	check_map("the hash", hash, BPF_MAP_TYPE_HASH, 20000, BPF_F_NO_PREALLOC, "names");
	for (int i = 0; i < 15001; i++) {
		char nine[9] = "";

		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "name %d", i);
		if (i == 15000) {
			CHECK("no such name", -1, element(BPF_MAP_LOOKUP_ELEM, hash, text, nine, 0));
		} else if (element(BPF_MAP_LOOKUP_ELEM, hash, text, nine, 0)) {
			fail("%s is gone", text);
			break;
		} else {
			check_bytes("a name's value", "123456789", nine, 9);
		}
	}
	check_map("the trie", trie, BPF_MAP_TYPE_LPM_TRIE, 10, BPF_F_NO_PREALLOC, "");
	prefix.bits = 32;
	prefix.address[3] = 1;
	CHECK("in the trie", 0, element(BPF_MAP_LOOKUP_ELEM, trie, &prefix, &value, 0));
	CHECK("in the trie", 16, value);
	prefix.address[1] = 7;
	CHECK("in the trie", 0, element(BPF_MAP_LOOKUP_ELEM, trie, &prefix, &value, 0));
	CHECK("in the trie", 10, value);
	check_map("the LRU hash", lru, BPF_MAP_TYPE_LRU_HASH, 100, 0, "recent");
	CHECK("in the LRU hash", 0, element(BPF_MAP_LOOKUP_ELEM, lru, &wide, text, 0));
	check_text("in the LRU hash", "abc", text);
	CHECK("of CPUs", 0, element(BPF_MAP_LOOKUP_ELEM, cpus, &(int){ 1 }, got, 0));
	for (int i = 0; i < possible; i++)
		CHECK("of CPUs", per_cpu[i], got[i] & 0xffffffffff);
	CHECK("of CPUs, by key", 0, element(BPF_MAP_LOOKUP_ELEM, cpu_hash, &(int){ 77 }, got, 0));
	check_bytes("of CPUs, by key", per_cpu, got, (size_t)possible * 8);
	check_map("the frozen one", frozen, BPF_MAP_TYPE_ARRAY, 1, BPF_F_RDONLY_PROG, "constant");
	CHECK("the frozen one", 0, element(BPF_MAP_LOOKUP_ELEM, frozen, &(int){ 0 }, text, 0));
	check_bytes("the frozen one", "cold", text, 4);
	CHECK("writing to it", -1, element(BPF_MAP_UPDATE_ELEM, frozen, &(int){ 0 }, "warm", 0));
	CHECK("nothing there", -1, element(BPF_MAP_GET_NEXT_KEY, empty, NULL, text, 0));
	put(empty, &(int){ 1 }, "full");
	return verdict();
}
