/*
 * A program that a user has executed set-uid (variant "setgid": set-gid): whose /proc files are
 * root's, who goes back and forth between his ids, and executes set-id files again.
 */
#include "program.h"
#include <grp.h>

enum { USER = 1000, OWNER = 500, USERS = 1001, GROUP = 600 };
static char copy[PATH_MAX];
static bool set_gid;

static void set_name(void)
{
	NEED(snprintf(copy, sizeof(copy), "%s/setid", test_dir) < (int)sizeof(copy));
}

/* Ids: 0 real, 1 effective, 2 saved, 3 of the file system. */
static void check_ids(const char *what, uid_t euid, gid_t egid)
{
	uid_t uid[3];
	gid_t gid[3];

	NEED(getresuid(&uid[0], &uid[1], &uid[2]) == 0 && getresgid(&gid[0], &gid[1], &gid[2]) == 0);
	CHECK(what, USER, uid[0]);
	CHECK(what, euid, uid[1]);
	CHECK(what, set_gid ? USER : OWNER, uid[2]);
	CHECK(what, USERS, gid[0]);
	CHECK(what, egid, gid[1]);
	CHECK(what, set_gid ? GROUP : USERS, gid[2]);
}

static void check_owner(const char *what, uid_t owner)
{
	struct stat about;

	NEED(stat("/proc/self/limits", &about) == 0);
	CHECK(what, owner, about.st_uid);
}

/* The status of the copy when a user executes it: 1 with his own rights, 0 with those of the file. */
static int execute(uid_t user)
{
	int status;
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid == 0) {
		if (setresuid(user, user, user))
			_exit(3);
		execl(copy, copy, test_dir, set_gid ? "probe-setgid" : "probe", NULL);
		_exit(4);
	}
	NEED(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int inside(void)
{
	uid_t euid = geteuid();
	gid_t egid = getegid();
	int dumpable = prctl(PR_GET_DUMPABLE);

	check_ids("at first", set_gid ? USER : OWNER, set_gid ? GROUP : USERS);
	NEED(!failures && dumpable != 1);

	ready();
	wait_until_told();

	CHECK("dumpable", dumpable, prctl(PR_GET_DUMPABLE));
	check_owner("its files belong to root", 0);
	check_ids("afterwards", euid, egid);
	/* Nobody but a set-id program goes back to ids that are not the real ones. */
	CHECK("real", 0, set_gid ? setegid(USERS) : seteuid(USER));
	check_ids("as the user", USER, USERS);
	CHECK("saved", 0, set_gid ? setegid(GROUP) : seteuid(OWNER));
	check_ids("as the file's owner", euid, egid);
	CHECK("root", -1, seteuid(0));
	CHECK("executed by the user", 0, execute(USER));
	CHECK("make dumpable", 0, prctl(PR_SET_DUMPABLE, 1));
	check_owner("its files are its own now", euid);
	return verdict();
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);
	int from, to;
	ssize_t got;
	static char buffer[65536];

	if (!strncmp(what, "probe", 5))
		return what[5] ? getegid() != GROUP : geteuid() != OWNER;
	set_gid = strstr(what, "setgid");
	begin(argc, argv);
	set_name();
	if (!strncmp(what, "inside", 6))
		return inside();
	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	NEED(from >= 0 && to >= 0);
	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		NEED(write(to, buffer, (size_t)got) == got);
	NEED(got == 0 && fchown(to, OWNER, GROUP) == 0);
	NEED(fchmod(to, set_gid ? 02755 : 04755) == 0 && close(to) == 0 && close(from) == 0);
	NEED(setgroups(0, NULL) == 0 && setresgid(USERS, USERS, USERS) == 0);
	if (execute(USER))
		skip("set-id files have no effect in this file system");
	NEED(setresuid(USER, USER, USER) == 0);
	execl(copy, copy, test_dir, set_gid ? "inside-setgid" : "inside", NULL);
	NEED(!"exec");
}
