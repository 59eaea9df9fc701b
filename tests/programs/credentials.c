/*
 * Credentials, as only root can set them. Variants: "user" (all four uids and gids differ, groups),
 * "caps" (sets reduced one by one, the bounding set, an ambient one), "keepcaps" (another user with
 * capabilities and securebits), "child" (of another user than its parent), "threads" (that differ
 * in ids), "each" (threads that differ in everything else, some of it in odd ways).
 */
#include "program.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>

struct credentials {
	uid_t uid[4];
	gid_t gid[4];
	gid_t groups[64];
	int group_count, keepcaps, securebits, dumpable, no_new_privs;
	uint64_t bounding, ambient;
	struct __user_cap_data_struct caps[2];
};

static struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

static void read_credentials(struct credentials *c)
{
	memset(c, 0, sizeof(*c));
	NEED(getresuid(&c->uid[0], &c->uid[1], &c->uid[2]) == 0);
	NEED(getresgid(&c->gid[0], &c->gid[1], &c->gid[2]) == 0);
	c->uid[3] = (uid_t)setfsuid((uid_t)-1);
	c->gid[3] = (gid_t)setfsgid((gid_t)-1);
	c->group_count = getgroups(64, c->groups);
	c->keepcaps = prctl(PR_GET_KEEPCAPS);
	c->securebits = prctl(PR_GET_SECUREBITS);
	c->dumpable = prctl(PR_GET_DUMPABLE);
	c->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	for (int cap = 0; cap < 64; cap++) {
		c->bounding |= (uint64_t)(prctl(PR_CAPBSET_READ, cap) == 1) << cap;
		c->ambient |= (uint64_t)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) << cap;
	}
	NEED(syscall(SYS_capget, &header, c->caps) == 0);
}

static void check_credentials(const struct credentials *expected)
{
	static const char *const sets[] = { "effective", "permitted", "inheritable" };
	struct credentials got;

	read_credentials(&got);
	for (int i = 0; i < 4; i++) {
		CHECK("uid (real, effective, saved, fs)", expected->uid[i], got.uid[i]);
		CHECK("gid (real, effective, saved, fs)", expected->gid[i], got.gid[i]);
	}
	CHECK("number of groups", expected->group_count, got.group_count);
	check_bytes("groups", expected->groups, got.groups, sizeof(got.groups));
	CHECK("keepcaps", expected->keepcaps, got.keepcaps);
	CHECK("securebits", expected->securebits, got.securebits);
	CHECK("dumpable", expected->dumpable, got.dumpable);
	CHECK("no_new_privs", expected->no_new_privs, got.no_new_privs);
	CHECK("bounding set", expected->bounding, got.bounding);
	CHECK("ambient set", expected->ambient, got.ambient);
	for (int word = 0; word < 2; word++)
		for (int set = 0; set < 3; set++)
			CHECK(sets[set], ((uint32_t *)&expected->caps[word])[set], ((uint32_t *)&got.caps[word])[set]);
}

static uint64_t before_caps;

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
	};

	NEED(syscall(SYS_capset, &header, data) == 0);
}

#define BIT(cap) (1ull << (cap))

static void become_user(void)
{
	gid_t groups[] = { 1, 2, 70000, 4000000000u };

	NEED(setgroups(COUNT(groups), groups) == 0);
	NEED(setresgid(101, 102, 103) == 0 && setfsgid(101) >= 0);
	NEED(setresuid(12345, 12346, 12347) == 0 && setfsuid(12345) >= 0);
}

static void reduce_caps(void)
{
	uint64_t kept = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_SYS_CHROOT) | BIT(CAP_NET_RAW) | BIT(CAP_BLOCK_SUSPEND);

	NEED(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) == 0 && prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) == 0);
	set_caps(BIT(CAP_CHOWN), kept, BIT(CAP_NET_RAW) | BIT(CAP_KILL));
	NEED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0);
}

static void keep_caps(void)
{
	NEED(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS) == 0);
	NEED(setgroups(0, NULL) == 0 && setresgid(200, 200, 200) == 0 && setresuid(300, 300, 300) == 0);
	set_caps(BIT(CAP_DAC_OVERRIDE), BIT(CAP_DAC_OVERRIDE) | BIT(CAP_SYS_NICE), 0);
}

static void child(void *argument)
{
	struct credentials before;
	int signal = 0;

	(void)argument;
	become_user();
	/* A change of ids would take it away. */
	NEED(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
	read_credentials(&before);
	child_is_ready();
	wait_until_told();
	check_credentials(&before);
	NEED(prctl(PR_GET_PDEATHSIG, &signal) == 0);
	CHECK("signal at its parent's end", SIGUSR1, signal);
}

/* By plain system calls: glibc's own change all threads of the process. */
static void *thread(void *argument)
{
	struct credentials before;

	NEED(syscall(SYS_setresgid, 401, 402, 403) == 0);
	NEED(syscall(SYS_setresuid, 501, 502, 503) == 0);
	read_credentials(&before);
	__atomic_store_n((int *)argument, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	check_credentials(&before);
	return NULL;
}

/* Inheritable capabilities outside of the bounding set: there before the set was reduced. */
static void leave_inheritable(void)
{
	set_caps(before_caps, before_caps, BIT(CAP_KILL) | BIT(CAP_SYS_TIME));
	NEED(prctl(PR_CAPBSET_DROP, CAP_KILL) == 0 && prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) == 0);
}

/* Ambient ones, which its securebits forbid to raise again. */
static void leave_ambient(void)
{
	set_caps(before_caps, before_caps, BIT(CAP_CHOWN) | BIT(CAP_NET_RAW));
	NEED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
	NEED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0);
	NEED(prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) == 0);
}

static void no_new_privs(void)
{
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
}

static void other_groups(void)
{
	gid_t groups[] = { 7, 70, 700 };

	NEED(syscall(SYS_setgroups, COUNT(groups), groups) == 0);
	NEED(syscall(SYS_setresgid, -1, 55, -1) == 0);
	NEED(syscall(SYS_setfsgid, 56) == 55 && syscall(SYS_setfsuid, 57) == 0);
}

static void no_capabilities(void)
{
	NEED(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) == 0);
	set_caps(0, 0, 0);
}

static void (*const odd[])(void) = {
	leave_inheritable, leave_ambient, no_new_privs, other_groups, no_capabilities,
};
static int odd_started;

static void *odd_thread(void *argument)
{
	struct credentials before;

	odd[(long)argument]();
	read_credentials(&before);
	__atomic_add_fetch(&odd_started, 1, __ATOMIC_SEQ_CST);
	/* All have changed the one thing that is the process's, whether it may be dumped. */
	while (__atomic_load_n(&odd_started, __ATOMIC_SEQ_CST) < (int)COUNT(odd))
		sleep_ms(1);
	before.dumpable = prctl(PR_GET_DUMPABLE);
	wait_until_told();
	check_credentials(&before);
	return NULL;
}

static void start_odd_threads(pthread_t *threads)
{
	struct __user_cap_data_struct caps[2];

	NEED(syscall(SYS_capget, &header, caps) == 0);
	before_caps = caps[0].permitted | (uint64_t)caps[1].permitted << 32;
	for (long i = 0; i < (long)COUNT(odd); i++)
		NEED(pthread_create(&threads[i], NULL, odd_thread, (void *)i) == 0);
	while (__atomic_load_n(&odd_started, __ATOMIC_SEQ_CST) < (int)COUNT(odd))
		sleep_ms(1);
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);
	struct credentials before;
	pthread_t other = 0, threads[COUNT(odd)];
	bool each = !strcmp(what, "each");
	int started = 0;
	pid_t pid = 0;

	begin(argc, argv);
	if (!strcmp(what, "user"))
		become_user();
	else if (!strcmp(what, "caps"))
		reduce_caps();
	else if (!strcmp(what, "keepcaps"))
		keep_caps();
	else if (!strcmp(what, "child"))
		pid = spawn(child, NULL);
	else if (!strcmp(what, "threads")) {
		NEED(pthread_create(&other, NULL, thread, &started) == 0);
		while (!__atomic_load_n(&started, __ATOMIC_SEQ_CST))
			sleep_ms(1);
	}
	if (each)
		start_odd_threads(threads);
	read_credentials(&before);

	ready();
	wait_until_told();

	check_credentials(&before);
	if (pid)
		expect_exit("child of another user", pid, 0);
	for (size_t i = 0; each && i < COUNT(odd); i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	if (other)
		NEED(pthread_join(other, NULL) == 0);
	return verdict();
}
