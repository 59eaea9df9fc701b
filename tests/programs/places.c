/* Where a process is: working directory, umask and, in the variant "chroot", its root. */
#include "program.h"

int main(int argc, char **argv)
{
	bool root = !strcmp(variant(argc, argv), "chroot");
	char path[PATH_MAX], got[PATH_MAX];
	struct stat there, here;

	begin(argc, argv);
	NEED(mkdir("jail", 0755) == 0 && mkdir("jail/a b", 0700) == 0 && mkdir("jail/a b/deep", 0755) == 0);
	NEED(stat("jail", &there) == 0);
	if (root) {
		NEED(chroot(".") == 0);
		strcpy(go_path, "/go");
		strcpy(path, "/jail/a b/deep");
	} else
		NEED(snprintf(path, sizeof(path), "%s/jail/a b/deep", test_dir) > 0);
	NEED(chdir(path) == 0);
	umask(0137);

	ready();
	wait_until_told();

	NEED(getcwd(got, sizeof(got)));
	check_text("working directory", path, got);
	CHECK("umask", 0137, umask(0));
	umask(0137);
	write_file("made", "", 0);
	NEED(stat("made", &here) == 0);
	CHECK("mode of a new file", 0644 & ~0137, here.st_mode & 0777);
	NEED(stat("../..", &here) == 0);
	CHECK("inode of the directory", there.st_ino, here.st_ino);
	if (root) {
		NEED(stat("/", &there) == 0 && stat("/..", &here) == 0);
		CHECK("nothing is above the root", there.st_ino, here.st_ino);
		CHECK("the old root is out of sight", -1, access("/proc/self", F_OK));
	}
	return verdict();
}
