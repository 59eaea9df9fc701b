/*
 * A daemon that an autofs at DIR/auto asks by a pipe: only it has the read end, or the write end as
 * well (with `both`), and /dev/autofs with a descriptor of the mount. A process of another group
 * walks there afterwards, and has to be asked about and answered. With `direct` the mount itself is what
 * is asked about. With `group` the process group that is not
 * asked about is that of its child. With `asked` such a process, which
 * is outside the tree, has asked already and the daemon has read that; with `unread` it has not.
 * Unmounts at its end.
 */
#include "program.h"
#include <linux/auto_dev-ioctl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static char place[PATH_MAX], wanted[PATH_MAX];
static bool direct;

/* What /proc/self/mountinfo says after `name` of the mount. */
static long option(const char *name)
{
	static char text[1 << 20];
	char *line;

	read_file("/proc/self/mountinfo", text, sizeof(text));
	line = strstr(text, place);
	NEED(line && (line = strstr(line, " - autofs ")) && (line = strstr(line, name)));
	return strtol(line + strlen(name), NULL, 10);
}

static struct autofs_v5_packet take(int reader)
{
	struct autofs_v5_packet packet = { 0 };

	CHECK("a request", sizeof(packet), read(reader, &packet, sizeof(packet)));
	CHECK("its version", AUTOFS_PROTO_VERSION, packet.hdr.proto_version);
	CHECK("its kind", direct ? autofs_ptype_missing_direct : autofs_ptype_missing_indirect,
	      packet.hdr.type);
	if (!direct)
		check_text("what is missing", "here", packet.name);
	return packet;
}

static void answer(int device, int mounted, struct autofs_v5_packet packet)
{
	struct autofs_dev_ioctl done = { .ver_major = AUTOFS_DEV_IOCTL_VERSION_MAJOR,
					 .ver_minor = AUTOFS_DEV_IOCTL_VERSION_MINOR,
					 .size = sizeof(done), .ioctlfd = mounted };

	done.ready.token = packet.wait_queue_token;
	if (direct)
		CHECK("a file system for it", 0, mount("none", place, "tmpfs", 0, NULL));
	CHECK("a directory for it", 0, mkdir(wanted, 0755));
	CHECK("the answer", 0, ioctl(device, AUTOFS_DEV_IOCTL_READY, &done));
}

/* In a process group of its own. */
static void lead(UNUSED void *nothing)
{
	NEED(setpgid(0, 0) == 0);
	child_is_ready();
	wait_until_told();
}

/* Walks there from outside the tree, and says by a pipe how that went. */
static int ask(void)
{
	int ends[2], status;
	pid_t child;

	NEED(pipe2(ends, O_CLOEXEC) == 0);
	child = fork();
	NEED(child >= 0);
	if (!child) {
		struct stat stat_there;
		char verdict;

		setsid();
		if (fork())
			_exit(0);
		verdict = stat(wanted, &stat_there) == 0 ? 'y' : 'n';
		NEED(write(ends[1], &verdict, 1) == 1);
		_exit(0);
	}
	NEED(close(ends[1]) == 0 && waitpid(child, &status, 0) == child);
	return ends[0];
}

static void check_answered(int told_by)
{
	char verdict = 0;

	CHECK("told", 1, read(told_by, &verdict, 1));
	CHECK("it is there", 'y', verdict);
	CHECK("no more", 0, read(told_by, &verdict, 1));
}

int main(int argc, char **argv)
{
	const char *how = variant(argc, argv);
	const bool both = !strcmp(how, "both"), early = !strcmp(how, "asked") || !strcmp(how, "unread");
	struct autofs_v5_packet packet = { 0 };
	char options[128];
	int ends[2], device, mounted, asked = -1;
	pid_t child = 0;
	struct pollfd request;
	struct stat there;

	begin(argc, argv);
	direct = !strcmp(how, "direct");
	NEED(snprintf(place, sizeof(place), "%s/auto", test_dir) < (int)sizeof(place));
	NEED(snprintf(wanted, sizeof(wanted), "%.4000s/here", place) < (int)sizeof(wanted));
	NEED(mkdir(place, 0755) == 0);
	device = open("/dev/autofs", O_RDONLY);
	if (device < 0)
		skip("there is no /dev/autofs");
	NEED(pipe2(ends, 0) == 0);
	if (!strcmp(how, "group"))
		child = spawn(lead, NULL);
	snprintf(options, sizeof(options), "fd=%d,pgrp=%d,minproto=5,maxproto=5,%s", ends[1],
		 child ? child : getpgrp(), direct ? "direct" : "indirect");
	if (mount("none", place, "autofs", 0, options))
		skip("autofs cannot be mounted here");
	mounted = open(place, O_RDONLY | O_DIRECTORY);
	NEED(mounted >= 0 && (!direct || fchdir(mounted) == 0));
	if (!both)
		NEED(close(ends[1]) == 0);
	request = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (early) {
		asked = ask();
		NEED(poll(&request, 1, 20000) == 1);
		if (!strcmp(how, "asked"))
			packet = take(ends[0]);
	}

	ready();
	wait_until_told();

	NEED(fstat(ends[0], &there) == 0);
	CHECK("whose pipe", (long)there.st_ino, option("pipe_ino="));
	CHECK("who is not asked about", child ? child : getpgrp(), option("pgrp="));
	if (child) {
		expect_exit("the child", child, 0);
		CHECK("the end", 0, umount2(place, MNT_DETACH));
		return verdict();
	}
	if (both) {
		CHECK("packet mode", O_DIRECT, fcntl(ends[1], F_GETFL) & O_DIRECT);
		CHECK("whose descriptor", ends[1], option(",fd="));
	}
	if (direct) {
		char at[PATH_MAX];

		NEED(getcwd(at, sizeof(at)));
		check_text("the working directory", place, at);
		NEED(chdir("/") == 0);
	}
	if (!early)
		asked = ask();
	if (strcmp(how, "asked")) {
		NEED(poll(&request, 1, 20000) == 1);
		packet = take(ends[0]);
	}
	answer(device, mounted, packet);
	check_answered(asked);
	CHECK("nothing else is asked", 0, poll(&request, 1, 0));
	close(mounted);
	if (direct)
		CHECK("the end of what was mounted", 0, umount2(place, MNT_DETACH));
	CHECK("the end", 0, umount2(place, MNT_DETACH));
	return verdict();
}
