/* Terminals that are devices: a virtual console with settings of its own.
 *
 * "consoles"       opened twice with different flags, for one to open only (TIOCEXCL)
 * "consoles session" the controlling terminal of a session with two jobs
 * And what is refused: a console in "graphics" mode, or whose switching a "process" is asked about.
 */
#define _GNU_SOURCE
#include "program.h"
#include <linux/kd.h>
#include <linux/vt.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static char name[32];

/* One that nobody has open: it begins with the usual settings. */
static int open_console(int flags)
{
	struct termios set;

	for (int number = 20 + getpid() % 20; number < 63; number++) {
		int fd;

		snprintf(name, sizeof(name), "/dev/tty%d", number);
		fd = open(name, flags | O_NOCTTY);
		if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
			skip("there are no virtual consoles");
		if (fd < 0 && errno == EBUSY)
			continue;
		NEED(fd >= 0);
		if (tcgetattr(fd, &set) == 0 && set.c_cc[VINTR] == 3)
			return fd;
		close(fd);
	}
	skip("no virtual console is free");
	return -1;
}

static void set_up(int fd)
{
	struct termios set;

	NEED(tcgetattr(fd, &set) == 0);
	set.c_cc[VINTR] = 'i';
	set.c_iflag |= INLCR;
	set.c_lflag &= ~(tcflag_t)ECHO;
	NEED(tcsetattr(fd, TCSANOW, &set) == 0);
}

static void check(int fd)
{
	struct termios set;

	NEED(tcgetattr(fd, &set) == 0);
	CHECK("VINTR", 'i', set.c_cc[VINTR]);
	CHECK("INLCR", INLCR, set.c_iflag & INLCR);
	CHECK("ECHO", 0, set.c_lflag & ECHO);
}

static void settings(void)
{
	int fd = open_console(O_RDWR), other, exclusive = 0;
	struct stat before, now;

	other = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	NEED(other >= 0 && ioctl(fd, TIOCEXCL) == 0 && fstat(fd, &before) == 0);
	set_up(fd);

	ready();
	wait_until_told();

	check(fd);
	check(other);
	NEED(fstat(fd, &now) == 0);
	CHECK("device", before.st_rdev, now.st_rdev);
	CHECK("flags", O_RDWR, fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("the other's flags", O_WRONLY | O_NONBLOCK, fcntl(other, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("the other's close-on-exec", FD_CLOEXEC, fcntl(other, F_GETFD));
	CHECK("exclusive", 0, ioctl(fd, TIOCGEXCL, &exclusive));
	CHECK("exclusive", 1, exclusive);
}

static pid_t *foreground;

static void job(void *argument)
{
	(void)argument;
	*foreground = getpid();
	NEED(setpgid(0, 0) == 0);
	child_is_ready();
	wait_until_told();
}

static void shell(void *argument)
{
	int tty, own;
	pid_t pid;

	(void)argument;
	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	NEED(setsid() == getpid());
	tty = open_console(O_RDWR);
	NEED(ioctl(tty, TIOCSCTTY, 0) == 0);
	own = open("/dev/tty", O_RDWR);
	NEED(own >= 0);
	set_up(tty);
	pid = spawn(job, NULL);
	NEED(tcsetpgrp(tty, *foreground) == 0);
	child_is_ready();
	wait_until_told();
	check(own);
	CHECK("session", getpid(), tcgetsid(tty));
	CHECK("foreground group", *foreground, tcgetpgrp(own));
	expect_exit("job", pid, 0);
}

static void session(void)
{
	pid_t pid;

	foreground = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(foreground != MAP_FAILED);
	pid = spawn(shell, NULL);

	ready();
	wait_until_told();

	expect_exit("shell", pid, 0);
}

static void graphics(void)
{
	int fd = open_console(O_RDWR), mode = -1;

	NEED(ioctl(fd, KDSETMODE, KD_GRAPHICS) == 0);

	ready();
	wait_until_told();

	NEED(ioctl(fd, KDGETMODE, &mode) == 0);
	CHECK("mode", KD_GRAPHICS, mode);
	NEED(ioctl(fd, KDSETMODE, KD_TEXT) == 0);
}

static void process(void)
{
	struct vt_mode mode = { .mode = VT_PROCESS, .relsig = SIGUSR1, .acqsig = SIGUSR2 };
	int fd = open_console(O_RDWR);

	NEED(ioctl(fd, VT_SETMODE, &mode) == 0);

	ready();
	wait_until_told();

	NEED(ioctl(fd, VT_GETMODE, &mode) == 0);
	CHECK("mode", VT_PROCESS, mode.mode);
	CHECK("signal", SIGUSR1, mode.relsig);
	mode.mode = VT_AUTO;
	NEED(ioctl(fd, VT_SETMODE, &mode) == 0);
}

int main(int argc, char **argv)
{
	const char *what;

	begin(argc, argv);
	what = variant(argc, argv);
	if (!*what)
		settings();
	else if (!strcmp(what, "session"))
		session();
	else if (!strcmp(what, "graphics"))
		graphics();
	else
		process();
	return verdict();
}
