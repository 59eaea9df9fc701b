/* Waits for a lock on DIR/lock that the test holds (variants "flock" and "fcntl"). */
#include "blocked.h"
#include <sys/file.h>

static int fd;

static long wait_flock(struct blocked *b)
{
	(void)b;
	return syscall(SYS_flock, fd, LOCK_EX);
}

static long wait_fcntl(struct blocked *b)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	(void)b;
	return syscall(SYS_fcntl, fd, F_SETLKW, &lock);
}

/* The test lets go when it sees this file. */
static void ask_for_it(struct blocked *b)
{
	(void)b;
	write_file("let-go", "", 0);
}

int main(int argc, char **argv)
{
	struct blocked flock_case = { "flock", SYS_flock, wait_flock, .release = ask_for_it };
	struct blocked fcntl_case = { "F_SETLKW", SYS_fcntl, wait_fcntl, .release = ask_for_it };

	begin(argc, argv);
	fd = open("lock", O_RDWR);
	NEED(fd >= 0);
	return run_all_blocked(strcmp(variant(argc, argv), "flock") ? &fcntl_case : &flock_case, 1);
}
