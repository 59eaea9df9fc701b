/*
 * Names as a process rewrote them: its comm, the bytes of its command line and environment in
 * place (variant "areas": in an area elsewhere, by PR_SET_MM_MAP, which needs root).
 */
#include "program.h"
#include <linux/prctl.h>
#include <stddef.h>

extern char **environ;

static size_t read_proc(const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	return read_file(path, text, size);
}

/* The numbers of /proc/self/stat, which are what PR_SET_MM_MAP takes. */
static void read_areas(struct prctl_mm_map *map)
{
	unsigned long long field[53] = { 0 };
	char text[2048], *at;

	read_proc("stat", text, sizeof(text));
	at = strrchr(text, ')') + 4;
	for (int i = 4; i < 53; i++)
		field[i] = strtoull(at, &at, 10);
	*map = (struct prctl_mm_map){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47],
		.arg_start = field[48], .arg_end = field[49], .env_start = field[50],
		.env_end = field[51], .brk = (uint64_t)sbrk(0), .exe_fd = (uint32_t)-1,
	};
}

int main(int argc, char **argv)
{
	struct prctl_mm_map map, after;
	char command[4096], environment[4096], got[4096], name[16];
	size_t command_size, environment_size;

	begin(argc, argv);
	NEED(prctl(PR_SET_NAME, "a (title) \\x\n") == 0);
	read_areas(&map);
	if (!strcmp(variant(argc, argv), "areas")) {
		char *area = map_anonymous((void *)0x300000000, 8192, MAP_PRIVATE | MAP_FIXED);

		strcpy(area, "my own title");
		memcpy(area + 4096, "A=1\0B=2", 8);
		map.arg_start = (uint64_t)area;
		map.arg_end = (uint64_t)area + 13;
		map.env_start = (uint64_t)area + 4096;
		map.env_end = (uint64_t)area + 4096 + 8;
		NEED(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0);
	} else {
		/* As daemons do: over the arguments, without a 0 at the end. */
		memset((char *)map.arg_start, 'T', map.arg_end - map.arg_start);
		memset((char *)map.env_start, 'e', 5);
	}
	command_size = read_proc("cmdline", command, sizeof(command));
	environment_size = read_proc("environ", environment, sizeof(environment));

	ready();
	wait_until_told();

	CHECK("size of the command line", command_size, read_proc("cmdline", got, sizeof(got)));
	check_bytes("command line", command, got, command_size);
	CHECK("size of the environment", environment_size, read_proc("environ", got, sizeof(got)));
	check_bytes("environment", environment, got, environment_size);
	NEED(prctl(PR_GET_NAME, name) == 0);
	check_text("name", "a (title) \\x\n", name);
	read_areas(&after);
	check_bytes("areas", &map, &after, offsetof(struct prctl_mm_map, auxv));
	return verdict();
}
