/*
 * Orphans that went to a subreaper inside the tree, and those that will once it is restored.
 * Variant "outside": one that goes to where the root itself would have gone.
 */
#include "program.h"

static struct {
	volatile pid_t reaper, middle, orphan, later;
} *seen;

static void live_on(volatile pid_t *own)
{
	*own = getpid();
	wait_until_told();
	while (access("seen", F_OK))
		sleep_ms(1);
	CHECK("parent of an orphan", seen->reaper, getppid());
}

static void parent_of_orphan(void)
{
	if (fork() == 0) {
		while (getppid() == seen->middle)
			sleep_ms(1);
		live_on(&seen->orphan);
		_exit(failures ? 1 : 0);
	}
	_exit(0);
}

static void reaper(void *argument)
{
	int value = 0, status;
	pid_t pid, later_parent;

	(void)argument;
	seen->reaper = getpid();
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid = fork();
	if (pid == 0) {
		seen->middle = getpid();
		parent_of_orphan();
	}
	expect_exit("the one in the middle", pid, 0);
	later_parent = fork();
	if (later_parent == 0) {
		if (fork() == 0) {
			live_on(&seen->later);
			_exit(failures ? 1 : 0);
		}
		wait_until_told();
		_exit(11);	/* its child is an orphan now */
	}
	while (!seen->orphan || !seen->later)
		sleep_ms(1);
	child_is_ready();
	wait_until_told();
	NEED(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0);
	CHECK("subreaper", 1, value);
	NEED(waitpid(later_parent, &status, 0) == later_parent);
	CHECK("exit of a parent", 11 << 8, status);
	write_file("seen", "", 0);
	expect_exit("the orphan", seen->orphan, 0);
	expect_exit("the later orphan", seen->later, 0);
}

static void orphan_of_all(void *argument)
{
	pid_t first = getppid(), root = *(pid_t *)argument;
	char path[64];

	seen->orphan = getpid();
	child_is_ready();
	while (getppid() == first)
		sleep_ms(1);
	/* The root's parent is the nearest subreaper above it. */
	snprintf(path, sizeof(path), "/proc/%d/status", root);
	seen->reaper = getppid();
	CHECK("new parent", (long long)status_number(path, "PPid", 10), seen->reaper);
	seen->later = failures ? -1 : 1;
}

static void middle(void *argument)
{
	spawn(orphan_of_all, argument);
	child_is_ready();
	wait_until_told();
}

static int goes_outside(void)
{
	pid_t root = getpid(), pid = spawn(middle, &root);

	ready();
	wait_until_told();
	expect_exit("the one in the middle", pid, 0);
	while (!seen->later)
		sleep_ms(1);
	CHECK("what the orphan saw", 1, seen->later);
	CHECK("it is no child of the root", 0, seen->reaper == root);
	/* It is to be gone before us, so that nobody is left to be waited for. */
	while (task_state(seen->orphan, seen->orphan) && task_state(seen->orphan, seen->orphan) != 'Z')
		sleep_ms(1);
	return verdict();
}

int main(int argc, char **argv)
{
	int value = 1;
	pid_t pid;

	begin(argc, argv);
	seen = map_anonymous(NULL, 4096, MAP_SHARED);
	if (!strcmp(variant(argc, argv), "outside"))
		return goes_outside();
	pid = spawn(reaper, NULL);

	ready();
	wait_until_told();

	expect_exit("reaper", pid, 0);
	NEED(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0);
	CHECK("the root is no subreaper", 0, value);
	return verdict();
}
