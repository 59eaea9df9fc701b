/*
 * Processes and threads under another root (chroot), with files open and mapped inside of it and
 * open above. Variants: inside, outside (the working directory is above the root), nested (a child
 * has a root below its parent's).
 */
#include "program.h"

static char *mapped;
static int file, directory, above, go_at;
static bool outside, nested;

static bool told_here(void)
{
	return faccessat(go_at, "go", F_OK, 0) == 0;
}

static ino_t inode_of(const char *path)
{
	struct stat about;

	return stat(path, &about) == 0 ? about.st_ino : 0;
}

static void look(const char *who, ino_t root, ino_t cwd)
{
	char got[PATH_MAX], text[32] = "";
	long length = syscall(SYS_getcwd, got, sizeof(got));

	if (outside) {
		NEED(length > 0);
		CHECK(who, 0, strncmp(got, "(unreachable)/", 14));
	} else {
		NEED(length > 0);
		check_text(who, nested && !strcmp(who, "child") ? "/" : "/a", got);
	}
	CHECK(who, root, inode_of("/"));
	CHECK(who, root, inode_of("/.."));
	CHECK(who, cwd, inode_of("."));
	CHECK("the old root is out of sight", -1, access("/proc/self", F_OK));
	CHECK("content", 6, pread(file, text, sizeof(text), 0));
	check_text("content", "inside", text);
	CHECK("content of what is above", 5, pread(above, text, sizeof(text), 0));
	CHECK("mapped", 'i', mapped[0]);
	CHECK("through a directory", 0, faccessat(directory, "file", F_OK, 0));
}

static struct { ino_t root, cwd; } of_child;

static void child(void *argument)
{
	(void)argument;
	if (nested)
		NEED(chroot("/a") == 0 && chdir("/") == 0);
	of_child.root = inode_of("/");
	of_child.cwd = inode_of(".");
	child_is_ready();
	while (!told_here())
		sleep_ms(1);
	look("child", of_child.root, of_child.cwd);
}

static void *thread(void *argument)
{
	while (!told_here())
		sleep_ms(1);
	look("thread", inode_of("/"), inode_of("."));
	return argument;
}

int main(int argc, char **argv)
{
	ino_t root, cwd;
	pthread_t other;
	pid_t pid;

	begin(argc, argv);
	outside = !strcmp(variant(argc, argv), "outside");
	nested = !strcmp(variant(argc, argv), "nested");
	NEED(mkdir("jail", 0755) == 0 && mkdir("jail/a", 0755) == 0);
	write_file("jail/a/file", "inside", 6);
	write_file("above", "above", 5);
	above = open("above", O_RDONLY);
	go_at = open(".", O_PATH | O_DIRECTORY);
	NEED(above >= 0 && go_at >= 0);
	root = inode_of("jail");
	NEED(chroot("jail") == 0);
	if (!outside)
		NEED(chdir("/a") == 0);
	cwd = inode_of(".");
	file = open("/a/file", O_RDWR);
	directory = open("/a", O_RDONLY | O_DIRECTORY);
	NEED(file >= 0 && directory >= 0);
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	NEED(mapped != MAP_FAILED);
	NEED(pthread_create(&other, NULL, thread, NULL) == 0);
	pid = spawn(child, NULL);

	ready();
	while (!told_here())
		sleep_ms(1);

	look("process", root, cwd);
	NEED(pthread_join(other, NULL) == 0);
	expect_exit("child", pid, 0);
	return verdict();
}
