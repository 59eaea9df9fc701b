/* A pair of terminals: number, settings, window, modes, owner, what nobody has read.
 *
 * "pty"        settings of all kinds, several descriptors, an end that was never opened
 * "pty lines"  unread input in lines, one of them not complete, and unread output
 * "pty raw"    unread input and output without lines
 * "pty closed" a master whose slave was open and is not any more
 * "pty session" a session of another process, with two jobs, the second of them in the foreground,
 *              and a process that has given its terminal up
 * "pty job"    a job of a shell: its input is a terminal from outside, without lines and echo
 * And what is refused: "stopped" output, an unread "end" of file, a slave that was "hung-up", a
 * "status" of packet mode and a pair that a process "outside" has as well.
 */
#define _GNU_SOURCE
#include "program.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static char name[64];

/* Numbers are given from below: above those that others may want meanwhile. */
static int open_high(void)
{
	int low[400], count = 0, fd, wanted = 40 + getpid() % 300, number = -1;

	for (;;) {
		fd = posix_openpt(O_RDWR | O_NOCTTY);
		NEED(fd >= 0 && ioctl(fd, TIOCGPTN, &number) == 0);
		if (number >= wanted)
			break;
		NEED(count < (int)COUNT(low));
		low[count++] = fd;
	}
	while (count)
		close(low[--count]);
	NEED(unlockpt(fd) == 0 && ptsname_r(fd, name, sizeof(name)) == 0);
	return fd;
}

static int number_of(int fd)
{
	int number = -1;

	NEED(ioctl(fd, TIOCGPTN, &number) == 0);
	return number;
}

static void check_termios(const struct termios *before, int fd)
{
	struct termios now;

	NEED(tcgetattr(fd, &now) == 0);
	CHECK("c_iflag", before->c_iflag, now.c_iflag);
	CHECK("c_oflag", before->c_oflag, now.c_oflag);
	CHECK("c_cflag", before->c_cflag, now.c_cflag);
	CHECK("c_lflag", before->c_lflag, now.c_lflag);
	CHECK("output speed", cfgetospeed(before), cfgetospeed(&now));
	check_bytes("c_cc", (const char *)before->c_cc, (const char *)now.c_cc, NCCS);
}

static void make_raw(struct termios *termios)
{
	termios->c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	termios->c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	termios->c_oflag &= ~(tcflag_t)OPOST;
}

static int settings(void)
{
	int master = open_high(), slave, other, again, untouched, number, on = 1, got, value;
	struct winsize size = { 33, 101, 640, 480 }, seen;
	struct stat before, now;
	struct termios set;
	char byte, link[64] = "";

	number = number_of(master);
	slave = open(name, O_RDWR | O_NOCTTY);
	other = open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	again = dup(slave);
	NEED(slave >= 0 && other >= 0 && again >= 0);
	NEED(tcgetattr(slave, &set) == 0);
	make_raw(&set);
	set.c_iflag |= IUTF8 | ISTRIP;
	set.c_oflag |= ONLRET;
	set.c_cc[VMIN] = 3;
	set.c_cc[VTIME] = 7;
	set.c_cc[VINTR] = 'x';
	NEED(cfsetspeed(&set, B9600) == 0 && tcsetattr(slave, TCSANOW, &set) == 0);
	NEED(tcgetattr(slave, &set) == 0 && ioctl(slave, TIOCSWINSZ, &size) == 0);
	NEED(ioctl(master, TIOCPKT, &on) == 0 && ioctl(slave, TIOCEXCL) == 0);
	NEED(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0 && fchmod(slave, 0604) == 0);
	untouched = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	NEED(untouched >= 0);
	/* The lowest number is everybody's: this one as well is above. */
	close(untouched);
	untouched = open_high();
	on = 1;
	NEED(ioctl(untouched, TIOCSPTLCK, &on) == 0 && fcntl(untouched, F_SETFD, FD_CLOEXEC) == 0);
	NEED(fstat(slave, &before) == 0);

	ready();
	wait_until_told();

	CHECK("number", number, number_of(master));
	NEED(snprintf(name, sizeof(name), "/dev/pts/%d", number) > 0);
	NEED(readlink("/proc/self/fd/0", link, 1) == 1);
	got = ttyname_r(slave, link, sizeof(link));
	CHECK("ttyname", 0, got);
	check_text("name", name, link);
	check_termios(&set, slave);
	check_termios(&set, master);
	NEED(ioctl(master, TIOCGWINSZ, &seen) == 0);
	CHECK("rows", 33, seen.ws_row);
	CHECK("columns", 101, seen.ws_col);
	CHECK("pixels across", 640, seen.ws_xpixel);
	CHECK("pixels down", 480, seen.ws_ypixel);
	NEED(ioctl(master, TIOCGPKT, &value) == 0);
	CHECK("packet mode", 1, value);
	NEED(ioctl(slave, TIOCGEXCL, &value) == 0);
	CHECK("slave is exclusive", 1, value);
	NEED(ioctl(master, TIOCGEXCL, &value) == 0);
	CHECK("master is exclusive", 0, value);
	NEED(ioctl(master, TIOCGPTLCK, &value) == 0);
	CHECK("locked", 0, value);
	NEED(ioctl(untouched, TIOCGPTLCK, &value) == 0);
	CHECK("the other's lock", 1, value);
	CHECK("the other's close-on-exec", FD_CLOEXEC, fcntl(untouched, F_GETFD));
	CHECK("master's close-on-exec", 0, fcntl(master, F_GETFD));
	CHECK("master's flags", O_RDWR | O_NONBLOCK, fcntl(master, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("the other's flags", O_RDWR, fcntl(untouched, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("slave's flags", O_RDWR, fcntl(slave, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("second slave's", O_RDONLY | O_NONBLOCK, fcntl(other, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("second slave's close-on-exec", FD_CLOEXEC, fcntl(other, F_GETFD));
	NEED(fstat(slave, &now) == 0);
	CHECK("owner", before.st_uid, now.st_uid);
	CHECK("group", before.st_gid, now.st_gid);
	CHECK("mode", before.st_mode, now.st_mode);
	/* Whose slave nobody has opened is not hung up. */
	NEED(fcntl(untouched, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	CHECK("read from the untouched", -1, read(untouched, &byte, 1));
	CHECK("errno", EAGAIN, errno);
	/* One open file: it takes and gives. A packet begins with its kind. */
	NEED(write(again, "abc", 3) == 3);
	{
		char packet[8] = "";
		long length = -1;

		while (length < 0)
			length = read(master, packet, sizeof(packet));
		CHECK("packet", 4, length);
		check_bytes("packet", "\0abc", packet, 4);
	}
	return verdict();
}

static void read_all(const char *what, int fd, const char *wanted, long length)
{
	char buffer[8192];
	long got = 0;

	while (got < length) {
		long more = read(fd, buffer + got, (size_t)(length - got));

		if (more <= 0) {
			fail("%s: %ld of %ld bytes, errno %d", what, got, length, errno);
			return;
		}
		got += more;
	}
	check_bytes(what, wanted, buffer, (size_t)length);
}

static int lines(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY), waiting = 0;
	struct termios set;

	NEED(slave >= 0 && tcgetattr(slave, &set) == 0);
	set.c_lflag &= ~(tcflag_t)ECHO;
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	NEED(write(master, "first\nsecond\n\x16\x03" "par", 18) == 18);
	while (waiting < 13)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	NEED(write(slave, "to be\nread\n", 11) == 11);

	ready();
	wait_until_told();

	check_termios(&set, slave);
	NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	CHECK("complete lines", 13, waiting);
	read_all("first line", slave, "first\n", 6);
	read_all("second line", slave, "second\n", 7);
	/* What is edited still, is: the last character goes. */
	NEED(write(master, "\x7ft\n", 3) == 3);
	read_all("third line", slave, "\x03" "pat\n", 5);
	read_all("output", master, "to be\r\nread\r\n", 13);
	return verdict();
}

static int raw(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY), waiting = 0;
	char bytes[3000];
	struct termios set;

	NEED(slave >= 0 && tcgetattr(slave, &set) == 0);
	make_raw(&set);
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 256);
	NEED(write(master, bytes, sizeof(bytes)) == sizeof(bytes));
	while (waiting < (int)sizeof(bytes))
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	/* The ring in which they lie begins anywhere. */
	read_all("some", slave, bytes, 1000);
	NEED(write(master, bytes, 2000) == 2000);
	while (waiting < 4000)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	NEED(write(slave, bytes, sizeof(bytes)) == sizeof(bytes));

	ready();
	wait_until_told();

	check_termios(&set, slave);
	read_all("input", slave, bytes + 1000, 2000);
	read_all("more input", slave, bytes, 2000);
	read_all("output", master, bytes, sizeof(bytes));
	return verdict();
}

static int closed(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY);
	char byte;

	NEED(slave >= 0 && write(slave, "bye\n", 4) == 4 && close(slave) == 0);

	ready();
	wait_until_told();

	read_all("last words", master, "bye\r\n", 5);
	CHECK("read without a slave", -1, read(master, &byte, 1));
	CHECK("errno", EIO, errno);
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK("it can be opened again", 1, slave >= 0);
	CHECK("write", 1, write(slave, "x", 1));
	CHECK("read", 1, read(master, &byte, 1));
	CHECK("what", 'x', byte);
	return verdict();
}

static pid_t *groups;	/* shared: of the two jobs */

/* Whose controlling terminal it is, and who is in the foreground. */
static void check_terminal(const char *who)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY);
	char what[64];

	snprintf(what, sizeof(what), "%s: /dev/tty", who);
	CHECK(what, 1, tty >= 0);
	snprintf(what, sizeof(what), "%s: session of the terminal", who);
	CHECK(what, getsid(0), tcgetsid(tty));
	snprintf(what, sizeof(what), "%s: foreground group", who);
	CHECK(what, groups[1], tcgetpgrp(tty));
	close(tty);
}

static volatile sig_atomic_t interrupts;

static void count_interrupts(int number)
{
	(void)number;
	interrupts++;
}

static void background(void *argument)
{
	(void)argument;
	groups[0] = getpid();
	NEED(setpgid(0, 0) == 0);
	signal(SIGINT, count_interrupts);
	child_is_ready();
	wait_until_told();
	check_terminal("background");
	CHECK("interrupts in the background", 0, interrupts);
}

static void foreground(void *argument)
{
	int *up = argument;

	groups[1] = getpid();
	NEED(setpgid(0, 0) == 0);
	signal(SIGINT, count_interrupts);
	child_is_ready();
	wait_until_told();
	check_terminal("foreground");
	NEED(write(*up, "!", 1) == 1);
	while (!interrupts)
		sleep_ms(1);
	CHECK("interrupts in the foreground", 1, interrupts);
}

static void without(void *argument)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY);

	(void)argument;
	NEED(tty >= 0 && ioctl(tty, TIOCNOTTY) == 0 && close(tty) == 0);
	child_is_ready();
	wait_until_told();
	CHECK("/dev/tty of who has none", -1, open("/dev/tty", O_RDWR));
	CHECK("errno", ENXIO, errno);
}

static void shell(void *argument)
{
	int *up = argument, tty, own;
	pid_t jobs[3];

	signal(SIGTTOU, SIG_IGN);
	NEED(setsid() == getpid());
	tty = open(name, O_RDWR);	/* it leads a session: this is its terminal now */
	own = open("/dev/tty", O_RDONLY | O_CLOEXEC);
	NEED(tty >= 0 && own >= 0 && tcgetsid(tty) == getpid());
	jobs[0] = spawn(background, NULL);
	jobs[1] = spawn(foreground, up);
	jobs[2] = spawn(without, NULL);
	NEED(tcsetpgrp(tty, groups[1]) == 0);
	child_is_ready();
	wait_until_told();
	CHECK("foreground group", groups[1], tcgetpgrp(tty));
	CHECK("session", getpid(), tcgetsid(tty));
	{
		struct stat now;

		NEED(fstat(own, &now) == 0);
		CHECK("/dev/tty", makedev(5, 0), now.st_rdev);
		CHECK("its foreground group", groups[1], tcgetpgrp(own));
		CHECK("its close-on-exec", FD_CLOEXEC, fcntl(own, F_GETFD));
	}
	expect_exit("background", jobs[0], 0);
	expect_exit("foreground", jobs[1], 0);
	expect_exit("without a terminal", jobs[2], 0);
}

static int session(void)
{
	int master = open_high(), up[2];
	char byte;
	pid_t pid;

	groups = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(groups != MAP_FAILED && pipe(up) == 0);
	pid = spawn(shell, &up[1]);

	ready();
	wait_until_told();

	CHECK("who begins has no terminal", -1, open("/dev/tty", O_RDWR));
	CHECK("byte", 1, read(up[0], &byte, 1));
	NEED(write(master, "\x03", 1) == 1);	/* ^C */
	expect_exit("shell", pid, 0);
	return verdict();
}

static int job(void)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct termios set;
	char byte = 0;

	NEED(tty >= 0 && isatty(0) && tcgetattr(0, &set) == 0);
	make_raw(&set);
	set.c_cc[VQUIT] = 'q';
	NEED(tcsetattr(0, TCSANOW, &set) == 0 && tcgetattr(0, &set) == 0);

	ready();
	wait_until_told();

	check_termios(&set, 0);
	CHECK("it is a terminal", 1, isatty(0));
	CHECK("session", getsid(0), tcgetsid(0));
	CHECK("foreground group", getpgrp(), tcgetpgrp(tty));
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(tty, F_GETFL) & O_NONBLOCK);
	CHECK("O_NONBLOCK of the other", 0, fcntl(0, F_GETFL) & O_NONBLOCK);
	CHECK("write", 5, write(tty, "hello", 5));
	CHECK("read", 1, read(0, &byte, 1));
	CHECK("what", '!', byte);
	return verdict();
}

/* ^S stops what the program writes, until ^Q. */
static int stopped(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK), pending = 1;

	NEED(slave >= 0 && write(master, "\x13", 1) == 1);
	while (write(slave, "x", 1) == 1)
		sleep_ms(1);
	while (pending) {
		char byte;

		NEED(ioctl(master, FIONREAD, &pending) == 0 && (!pending || read(master, &byte, 1) == 1));
	}

	ready();
	wait_until_told();

	CHECK("write while stopped", -1, write(slave, "x", 1));
	CHECK("errno", EAGAIN, errno);
	NEED(write(master, "\x11", 1) == 1);
	while (write(slave, "y", 1) != 1)
		sleep_ms(1);
	read_all("after ^Q", master, "y", 1);
	return verdict();
}

static int unread_end(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY), waiting = 0;
	char byte;

	NEED(slave >= 0 && write(master, "ab\x04", 3) == 3);
	while (waiting < 2)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);

	ready();
	wait_until_told();

	read_all("what came before", slave, "ab", 2);
	NEED(write(master, "\x04", 1) == 1);
	CHECK("end of file", 0, read(slave, &byte, 1));
	return verdict();
}

static int hung_up(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY);
	char byte;

	NEED(slave >= 0 && close(master) == 0);

	ready();
	wait_until_told();

	CHECK("read", 0, read(slave, &byte, 1));
	CHECK("write", -1, write(slave, "x", 1));
	CHECK("errno", EIO, errno);
	return verdict();
}

static int status(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY), on = 1;
	char byte = 0;

	NEED(slave >= 0 && ioctl(master, TIOCPKT, &on) == 0 && tcflush(slave, TCIFLUSH) == 0);

	ready();
	wait_until_told();

	CHECK("status", 1, read(master, &byte, 1));
	CHECK("which", TIOCPKT_FLUSHREAD, byte & TIOCPKT_FLUSHREAD);
	return verdict();
}

/* Another process, no descendant of the tree's root any more, has the slave. */
static int outside(void)
{
	int master = open_high(), slave = open(name, O_RDWR | O_NOCTTY), both[2], status;
	pid_t middle, own = getpid();
	char byte = 0;

	NEED(slave >= 0 && pipe(both) == 0);
	middle = fork();
	NEED(middle >= 0);
	if (middle == 0) {
		if (fork() == 0) {
			close(ready_fd);
			close(both[0]);
			close(both[1]);
			close(master);
			while (kill(own, 0) == 0 && access(go_path, F_OK))
				sleep_ms(5);
			_exit(0);
		}
		_exit(0);
	}
	NEED(waitpid(middle, &status, 0) == middle && close(both[0]) == 0 && close(both[1]) == 0);

	ready();
	wait_until_told();

	NEED(write(slave, "z", 1) == 1);
	CHECK("read", 1, read(master, &byte, 1));
	CHECK("what", 'z', byte);
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (argc < 3)
		return settings();
	if (!strcmp(argv[2], "lines"))
		return lines();
	if (!strcmp(argv[2], "raw"))
		return raw();
	if (!strcmp(argv[2], "session"))
		return session();
	if (!strcmp(argv[2], "job"))
		return job();
	if (!strcmp(argv[2], "stopped"))
		return stopped();
	if (!strcmp(argv[2], "end"))
		return unread_end();
	if (!strcmp(argv[2], "hung-up"))
		return hung_up();
	if (!strcmp(argv[2], "status"))
		return status();
	if (!strcmp(argv[2], "outside"))
		return outside();
	NEED(!strcmp(argv[2], "closed"));
	return closed();
}
