/*
 * What has been left by some of those that shared it. Variants: thread-fs and thread-root (a thread
 * has a working directory and umask, or also a root directory of its own), thread-files (likewise a
 * descriptor table; refused), fs-shared (the thread's is shared by another one; refused), exec (a grandchild has its grandparent's
 * memory; its parent had it until it called execve).
 */
#include "program.h"

static int flags;
static bool with_root, shared;
static volatile int thread_is_ready, go_on, checked, written;
static struct {
	volatile int born, stage;
} *all;

static void *wait_for_go(void *argument)
{
	thread_is_ready = 1;
	while (!go_on)
		sleep_ms(2);
	return argument;
}

static void *other_thread(void *argument)
{
	pthread_t companion;

	char path[PATH_MAX + 16], cwd[PATH_MAX];

	(void)argument;
	NEED(unshare(flags) == 0);
	NEED(snprintf(path, sizeof(path), "%s/other", test_dir) > 0);
	if (flags == CLONE_FILES) {
		NEED(dup2(0, 100) == 100 && close(90) == 0);
	} else {
		NEED(mkdir(path, 0755) == 0 && chdir(path) == 0);
		umask(0123);
		write_file("inside", "in", 2);
	}
	if (with_root)
		NEED(chroot(path) == 0 && mkdir("below", 0755) == 0 && chdir("below") == 0);
	if (shared)
		NEED(pthread_create(&companion, NULL, wait_for_go, NULL) == 0);
	thread_is_ready = 1;
	/* Where it is, it may not see the sign. */
	while (!go_on)
		sleep_ms(2);
	if (shared)
		NEED(pthread_join(companion, NULL) == 0);
	if (flags == CLONE_FILES) {
		CHECK("thread's descriptor", 0, fcntl(100, F_GETFD));
		CHECK("what it has closed", -1, fcntl(90, F_GETFD));
	} else {
		NEED(getcwd(cwd, sizeof(cwd)));
		check_text("thread's directory", with_root ? "/below" : path, cwd);
		CHECK("a file there", 0, access(with_root ? "/inside" : "inside", F_OK));
		CHECK("thread's umask", 0123, umask(0123));
	}
	checked = 1;
	return NULL;
}

static void check_thread(int what)
{
	char cwd[PATH_MAX];
	pthread_t thread;

	flags = what;
	NEED(dup2(0, 90) == 90);
	NEED(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	while (!thread_is_ready)
		sleep_ms(1);
	ready();
	wait_until_told();
	go_on = 1;
	NEED(pthread_join(thread, NULL) == 0);
	CHECK("the thread has looked", 1, checked);
	CHECK("the thread's descriptor", -1, fcntl(100, F_GETFD));
	CHECK("what the thread has closed", 0, fcntl(90, F_GETFD));
	NEED(getcwd(cwd, sizeof(cwd)));
	check_text("directory", test_dir, cwd);
	CHECK("umask", 022, umask(022));
}

static int grandchild(void *argument)
{
	(void)argument;
	all->born = 1;
	wait_until_told();
	written = 4242;
	_exit(7);
}

static int child(void *argument)
{
	char *stack = map_anonymous(NULL, 65536, MAP_PRIVATE);

	(void)argument;
	NEED(clone(grandchild, stack + 65536, CLONE_VM | SIGCHLD, NULL) > 0);
	while (!all->born)
		sleep_ms(1);
	execl("/proc/self/exe", "unshared", test_dir, "after-exec", NULL);
	_exit(2);
}

int main(int argc, char **argv)
{
	char *stack;
	int status;
	pid_t pid;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "thread-files")) {
		check_thread(CLONE_FILES);
	} else if (!strcmp(variant(argc, argv), "thread-fs")) {
		check_thread(CLONE_FS);
	} else if (!strcmp(variant(argc, argv), "thread-root")) {
		with_root = true;
		check_thread(CLONE_FS);
	} else if (!strcmp(variant(argc, argv), "fs-shared")) {
		shared = true;
		check_thread(CLONE_FS);
	} else if (!strcmp(variant(argc, argv), "after-exec")) {
		ready();
		return waitpid(-1, &status, 0) > 0 && WEXITSTATUS(status) == 7 ? 0 : 1;
	} else {
		all = map_anonymous(NULL, 4096, MAP_SHARED);
		stack = map_anonymous(NULL, 65536, MAP_PRIVATE);
		pid = clone(child, stack + 65536, CLONE_VM | SIGCHLD, NULL);
		NEED(pid > 0);
		expect_exit("child that called execve", pid, 0);
		CHECK("written by the grandchild", 4242, written);
	}
	return verdict();
}
