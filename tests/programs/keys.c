/*
 * Protection keys: allocated ones with and without memory, rights that differ from thread to
 * thread, a key that was freed. Variant "exec_only": memory that can be executed only, to which
 * the kernel gives a key where the CPU has them.
 */
#include "program.h"

#define PAGE 4096

static const unsigned char forty_two[] = { 0xb8, 42, 0, 0, 0, 0xc3 };	/* mov $42, %eax; ret */

static unsigned read_rights(void)
{
	unsigned rights, rest;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(rights), "=d"(rest) : "c"(0));	/* rdpkru */
	return rights;
}

/* The permissions of the area at `where`, as /proc/self/maps has them; its key, -1 without one. */
static void look(const void *where, char *permissions, int *key)
{
	char line[512], wanted[32];
	FILE *maps = fopen("/proc/self/smaps", "r");
	bool inside = false;

	NEED(maps);
	snprintf(wanted, sizeof(wanted), "%lx-", (unsigned long)where);
	*permissions = 0;
	*key = -1;
	while (fgets(line, sizeof(line), maps)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' ') && strchr(line, ' ') < line + 40) {
			inside = !strncmp(line, wanted, strlen(wanted));
			if (inside)
				sscanf(line, "%*s %4s", permissions);
		} else if (inside) {
			sscanf(line, "ProtectionKey: %d", key);
		}
	}
	fclose(maps);
}

static void check_exec_only(void *code, int key)
{
	char permissions[8];
	int found;

	look(code, permissions, &found);
	check_text("permissions of code", "--xp", permissions);
	CHECK("the kernel's key", key, found);
	CHECK("what the code returns", 42, ((int (*)(void))code)());
}

static void *map_code(void)
{
	unsigned char *code = map_anonymous(NULL, 2 * PAGE, MAP_PRIVATE);

	memcpy(code, forty_two, sizeof(forty_two));
	NEED(mprotect(code, 2 * PAGE, PROT_EXEC) == 0);
	return code;
}

static int none, full, freed, closed;
static char *area;
static unsigned expected[2];
static volatile int prepared;

static void *run(void *argument)
{
	NEED(pkey_set(full, PKEY_DISABLE_WRITE) == 0 && pkey_set(closed, PKEY_DISABLE_ACCESS) == 0);
	expected[1] = read_rights();
	prepared = 1;
	wait_until_told();
	CHECK("rights of the second thread", expected[1], read_rights());
	CHECK("what it may read", 'f', area[0]);
	return argument;
}

int main(int argc, char **argv)
{
	char permissions[8];
	void *code;
	pthread_t thread;
	int key;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "exec_only")) {
		code = map_code();
		look(code, permissions, &key);
		ready();
		wait_until_told();
		check_exec_only(code, key);
		return verdict();
	}
	none = pkey_alloc(0, PKEY_DISABLE_WRITE);
	if (none < 0)
		skip("this CPU or kernel has no protection keys");
	freed = pkey_alloc(0, 0);
	full = pkey_alloc(0, 0);
	closed = pkey_alloc(0, 0);
	NEED(freed > 0 && full > 0 && closed > 0);
	code = map_code();
	look(code, permissions, &key);
	area = map_anonymous(NULL, 3 * PAGE, MAP_PRIVATE);
	area[0] = 'f';
	area[PAGE] = 'c';
	NEED(pkey_mprotect(area, PAGE, PROT_READ | PROT_WRITE, full) == 0);
	NEED(pkey_mprotect(area + PAGE, PAGE, PROT_READ, closed) == 0);
	NEED(pkey_free(freed) == 0);
	NEED(pthread_create(&thread, NULL, run, NULL) == 0);
	while (!prepared)
		sched_yield();
	NEED(pkey_set(closed, PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE) == 0);
	expected[0] = read_rights();
	ready();
	wait_until_told();

	CHECK("rights", expected[0], read_rights());
	check_exec_only(code, key);
	look(area, permissions, &key);
	CHECK("the first area's key", full, key);
	look(area + PAGE, permissions, &key);
	CHECK("the second area's key", closed, key);
	check_text("its permissions", "r--p", permissions);
	look(area + 2 * PAGE, permissions, &key);
	CHECK("the third area's key", 0, key);
	CHECK("what could not be read", 0, pkey_set(closed, 0));
	CHECK("first page", 'f', area[0]);
	CHECK("second page", 'c', area[PAGE]);
	CHECK("freeing a free key", -1, pkey_free(freed));
	CHECK("the first free key", freed, pkey_alloc(0, 0));
	CHECK("freeing a key without memory", 0, pkey_free(none));
	NEED(pthread_join(thread, NULL) == 0);
	return verdict();
}
