/*
 * A working directory that was deleted; of a child, too. Variant "replaced": another
 * directory has its name. Variant "root": it is the root directory that was deleted.
 */
#include "program.h"

static bool is_root;
static int go_at;

static void look(void)
{
	char path[PATH_MAX];
	struct stat about;

	NEED(stat(is_root ? "/" : ".", &about) == 0);
	CHECK("links", 0, about.st_nlink);
	CHECK("mode", 0710, about.st_mode & 07777);
	CHECK("nothing can be made there", -1, mkdir(is_root ? "/new" : "new", 0755));
	CHECK("errno", ENOENT, errno);
	if (!is_root) {
		CHECK("no path", -1, syscall(SYS_getcwd, path, sizeof(path)));
		CHECK("errno", ENOENT, errno);
	}
}

static void child(void *argument)
{
	(void)argument;
	child_is_ready();
	while (faccessat(go_at, "go", F_OK, 0))
		sleep_ms(1);
	look();
}

int main(int argc, char **argv)
{
	pid_t pid;

	begin(argc, argv);
	is_root = !strcmp(variant(argc, argv), "root");
	go_at = open(".", O_PATH | O_DIRECTORY);
	NEED(go_at >= 0 && mkdir("gone", 0755) == 0 && chmod("gone", 0710) == 0 && chdir("gone") == 0);
	if (is_root)
		NEED(chroot(".") == 0 && fchdir(go_at) == 0);
	NEED(unlinkat(go_at, "gone", AT_REMOVEDIR) == 0);
	if (!strcmp(variant(argc, argv), "replaced"))
		NEED(mkdirat(go_at, "gone", 0755) == 0);
	pid = spawn(child, NULL);

	ready();
	while (faccessat(go_at, "go", F_OK, 0))
		sleep_ms(1);
	look();
	expect_exit("child", pid, 0);
	return verdict();
}
