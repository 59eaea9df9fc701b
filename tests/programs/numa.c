/*
 * NUMA memory policies: one of the process, others of its threads; of whole areas and parts of
 * them, private and shared; and of a child that took some of them back. Node 0 is everywhere.
 */
#include "program.h"
#include <linux/mempolicy.h>

#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6	/* linux/mempolicy.h, Linux 6.9 */
#endif
#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5	/* Linux 5.15 */
#endif

#define AT 0x200000000000ul
#define SIZE (16 * 4096ul)

struct policy {
	int mode;
	unsigned long nodes;
};

static const struct policy by_thread[] = {
	{ MPOL_DEFAULT, 0 },
	{ MPOL_BIND, 1 },
	{ MPOL_BIND | MPOL_F_RELATIVE_NODES, 1 },
	{ MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1 },
	{ MPOL_LOCAL, 0 },
	{ MPOL_PREFERRED_MANY, 1 },
	{ MPOL_WEIGHTED_INTERLEAVE, 1 },
};

static pthread_barrier_t built, go;

static bool set_own(struct policy want)
{
	return syscall(SYS_set_mempolicy, want.mode, want.nodes ? &want.nodes : NULL,
		       want.nodes ? 65ul : 0ul) == 0;
}

static struct policy get(const void *address)
{
	unsigned long nodes[16] = { 0 };
	struct policy got;

	NEED(syscall(SYS_get_mempolicy, &got.mode, nodes, 1024ul, address,
		     address ? (unsigned long)MPOL_F_ADDR : 0ul) == 0);
	got.nodes = nodes[0];
	return got;
}

static void bind_area(void *area, size_t size, struct policy want)
{
	NEED(syscall(SYS_mbind, area, size, want.mode, want.nodes ? &want.nodes : NULL,
		     want.nodes ? 65ul : 0ul, 0u) == 0);
}

static void check_policy(const char *what, const void *address, int mode, unsigned long nodes)
{
	struct policy got = get(address);
	char text[200];

	snprintf(text, sizeof(text), "%s: mode", what);
	CHECK(text, mode, got.mode);
	snprintf(text, sizeof(text), "%s: nodes", what);
	CHECK(text, nodes, got.nodes);
}

static void *live(void *argument)
{
	const struct policy *want = argument;
	bool can = set_own(*want);	/* a mode that this kernel lacks leaves the process's */
	struct policy was = get(NULL);

	NEED(can || errno == EINVAL);
	pthread_barrier_wait(&built);
	pthread_barrier_wait(&go);
	check_policy("thread", NULL, was.mode, was.nodes);
	return NULL;
}

static void check_areas(char *area, char *shared, int first_mode, unsigned long first_nodes)
{
	check_policy("first area", area, first_mode, first_nodes);
	check_policy("area without", area + 2 * SIZE, MPOL_DEFAULT, 0);
	check_policy("part before", area + 4 * SIZE, MPOL_DEFAULT, 0);
	check_policy("part", area + 4 * SIZE + 8192, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1);
	check_policy("part after", area + 4 * SIZE + 16384, MPOL_DEFAULT, 0);
	check_policy("reserved", area + 6 * SIZE, MPOL_PREFERRED, 1);
	check_policy("shared", shared, MPOL_BIND, 1);
	check_policy("shared part", shared + 8192, MPOL_INTERLEAVE, 1);
	check_policy("shared rest", shared + 12288, MPOL_DEFAULT, 0);
	check_pattern("first area", area, SIZE, 1);
	check_pattern("area without", area + 2 * SIZE, SIZE, 2);
	check_pattern("area with a part", area + 4 * SIZE, SIZE, 3);
	check_pattern("shared", shared, SIZE, 4);
}

static void child(void *argument)
{
	char *area = (char *)AT, *shared = argument;

	NEED(set_own((struct policy){ MPOL_DEFAULT, 0 }));
	bind_area(area, SIZE, (struct policy){ MPOL_DEFAULT, 0 });
	child_is_ready();
	wait_until_told();
	check_policy("child", NULL, MPOL_DEFAULT, 0);
	check_areas(area, shared, MPOL_DEFAULT, 0);
}

int main(int argc, char **argv)
{
	pthread_t threads[COUNT(by_thread)];
	char *area = (char *)AT, *shared = (char *)AT + 16 * SIZE;
	struct policy own = { MPOL_PREFERRED, 1 };
	pid_t pid;

	begin(argc, argv);
	if (!set_own(own))
		skip("this kernel has no NUMA policies");
	for (int i = 0; i < 8; i += 2)
		map_anonymous(area + (size_t)i * SIZE, SIZE, MAP_PRIVATE | MAP_FIXED);
	map_anonymous(shared, SIZE, MAP_SHARED | MAP_FIXED);
	fill_pattern(area, SIZE, 1);
	fill_pattern(area + 2 * SIZE, SIZE, 2);
	fill_pattern(area + 4 * SIZE, SIZE, 3);
	fill_pattern(shared, SIZE, 4);
	NEED(mprotect(area + 6 * SIZE, SIZE, PROT_NONE) == 0);
	bind_area(area, SIZE, (struct policy){ MPOL_BIND, 1 });
	bind_area(area + 4 * SIZE + 8192, 8192, (struct policy){ MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1 });
	bind_area(area + 6 * SIZE, SIZE, (struct policy){ MPOL_PREFERRED, 1 });
	bind_area(shared, 8192, (struct policy){ MPOL_BIND, 1 });
	bind_area(shared + 8192, 4096, (struct policy){ MPOL_INTERLEAVE, 1 });
	pid = spawn(child, shared);
	NEED(pthread_barrier_init(&built, NULL, COUNT(by_thread) + 1) == 0);
	NEED(pthread_barrier_init(&go, NULL, COUNT(by_thread) + 1) == 0);
	for (size_t i = 0; i < COUNT(by_thread); i++)
		NEED(pthread_create(&threads[i], NULL, live, (void *)&by_thread[i]) == 0);
	pthread_barrier_wait(&built);
	check_areas(area, shared, MPOL_BIND, 1);
	NEED(!failures);

	ready();
	wait_until_told();

	check_policy("process", NULL, own.mode, own.nodes);
	check_areas(area, shared, MPOL_BIND, 1);
	pthread_barrier_wait(&go);
	for (size_t i = 0; i < COUNT(by_thread); i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	expect_exit("child", pid, 0);
	return verdict();
}
