/* A pair of terminals: number, settings, window, modes, owner, what nobody has read.
 *
 * "pty"        settings of all kinds, several descriptors, an end that was never opened
 * "pty lines"  unread input in lines, one of them not complete, and unread output
 * "pty ends"   unread input with ends of files and other characters that end a line, quoted ones,
 *              and a character that quotes the next one; columns
 * "pty raw"    unread input and output without lines
 * "pty edited" unread input of a terminal that somebody else edits (EXTPROC)
 * "pty readers" threads that wait for what comes: at the slave, at the master, and for
 *              output to go on
 * "pty full"   more unread than the buffers have room for, both ways
 * "pty closed" a master whose slave was open and is not any more
 * "pty hung-up" slaves that were hung up: the master was closed, or root did it
 * "pty stopped" output stopped by a character, and by request at both ends
 * "pty status" what masters in packet mode are still to be told
 * "pty session" a session of another process, with two jobs, the second of them in the foreground,
 *              and a process that has given its terminal up
 * "pty own"    /dev/tty in the hands of who is not in that session; a session without any
 *              descriptor of its terminal
 * "pty instances" pairs of two devpts file systems, with the same number
 * "pty job"    a job of a shell: its input is a terminal from outside, without lines and echo
 * "pty container NAME" leads a session whose terminal is one from outside, with that name
 * And what is refused: a "discipline" of its own, "echo" that is still to come, a pair that a
 * process "outside" has as well.
 */
#define _GNU_SOURCE
#include "program.h"
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <poll.h>
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

static void write_until_told_no(int fd)
{
	for (int i = 0; write(fd, "x", 1) == 1; i++)
		NEED(i < 20000 && usleep(1000) == 0);
}

static void drain(int fd)
{
	int pending = 1;
	char byte;

	while (pending)
		NEED(ioctl(fd, FIONREAD, &pending) == 0 && (!pending || read(fd, &byte, 1) == 1));
}

static int open_slave(int flags)
{
	int fd = open(name, flags | O_NOCTTY);

	NEED(fd >= 0);
	return fd;
}

/* ^S stops what the program writes, until ^Q; TCOOFF does until TCOON, at either end. */
static int stopped(void)
{
	int master = open_high(), slave = open_slave(O_RDWR | O_NONBLOCK), other, asked, both;
	struct termios odd;

	NEED(write(master, "\x13", 1) == 1);
	write_until_told_no(slave);
	drain(master);
	other = open_high();
	asked = open_slave(O_RDWR | O_NONBLOCK);
	NEED(fcntl(other, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	NEED(write(asked, "before", 6) == 6);
	NEED(tcflow(asked, TCOOFF) == 0 && tcflow(other, TCOOFF) == 0);
	/* What stopped it is another character by now, and so is what lets it go on. */
	both = open_high();
	{
		int third = open_slave(O_RDWR | O_NONBLOCK);

		NEED(write(both, "\x13", 1) == 1);
		write_until_told_no(third);
		drain(both);
		NEED(tcgetattr(third, &odd) == 0);
		odd.c_cc[VSTOP] = 0;
		odd.c_cc[VSTART] = 'g';
		NEED(tcsetattr(third, TCSANOW, &odd) == 0);

		ready();
		wait_until_told();

		check_termios(&odd, third);
		CHECK("write while stopped by another character", -1, write(third, "x", 1));
		NEED(write(both, "g", 1) == 1);
		while (write(third, "z", 1) != 1)
			sleep_ms(1);
		read_all("after the other character", both, "z", 1);
	}

	CHECK("write while stopped", -1, write(slave, "x", 1));
	CHECK("errno", EAGAIN, errno);
	NEED(write(master, "\x11", 1) == 1);
	while (write(slave, "y", 1) != 1)
		sleep_ms(1);
	read_all("after ^Q", master, "y", 1);

	CHECK("write while suspended", -1, write(asked, "x", 1));
	CHECK("master's write while suspended", -1, write(other, "x", 1));
	/* No character can end that. */
	CHECK("it goes on", 0, tcflow(other, TCOON));
	NEED(write(other, "\x11", 1) == 1);
	sleep_ms(20);
	CHECK("write while still suspended", -1, write(asked, "x", 1));
	CHECK("the slave goes on", 0, tcflow(asked, TCOON));
	CHECK("write", 5, write(asked, "after", 5));
	read_all("around", other, "beforeafter", 11);
	return verdict();
}

static long read_some(int fd, char *buffer, size_t size)
{
	struct pollfd ready_to_read = { fd, POLLIN, 0 };

	memset(buffer, 0, size);
	if (poll(&ready_to_read, 1, 2000) != 1)
		return -2;
	return read(fd, buffer, size);
}

/* What the kernel counts columns for: tabs that are made of spaces. */
static void check_column(int master, int slave, int column)
{
	char buffer[64];
	struct termios set;

	NEED(tcgetattr(slave, &set) == 0);
	set.c_oflag = OPOST | XTABS;
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	NEED(write(slave, "\t", 1) == 1);
	CHECK("spaces up to the next tab", 8 - column % 8, read_some(master, buffer, sizeof(buffer)));
}

static int ends(void)
{
	int master = open_high(), slave = open_slave(O_RDWR | O_NONBLOCK), only, other, waiting = 0;
	struct termios set;
	char buffer[64];

	NEED(tcgetattr(slave, &set) == 0);
	set.c_cc[VEOL] = '!';
	set.c_cc[VEOL2] = '?';
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	/* A line that ^D ends, an end of file, all others, quoted characters and one more end. */
	NEED(write(master, "ab\x04\x04one!two?\x16\nq\x16\x04\x16!e\xff\n", 22) == 22);
	while (waiting < 17)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	set.c_cc[VEOL] = ';';
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	NEED(write(master, "last;tail", 9) == 9);
	while (waiting < 22)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);
	NEED(write(master, "\x16", 1) == 1);
	/* Its echo, "^" and a step back, is the last of all. */
	do
		NEED(read_some(master, buffer, 1) == 1);
	while (buffer[0] != '\b');
	/* Nothing but an end of file. */
	other = open_high();
	only = open_slave(O_RDWR | O_NONBLOCK);
	NEED(write(other, "\x04", 1) == 1);
	{
		struct pollfd end = { only, POLLIN, 0 };

		NEED(poll(&end, 1, 10000) == 1);
	}
	NEED(write(only, "12345", 5) == 5);
	read_all("columns", other, "12345", 5);

	ready();
	wait_until_told();

	check_termios(&set, slave);
	CHECK("first", 2, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("first", "ab", buffer, 2);
	CHECK("end of file", 0, read_some(slave, buffer, sizeof(buffer)));
	CHECK("third", 4, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("third", "one!", buffer, 4);
	CHECK("fourth", 4, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("fourth", "two?", buffer, 4);
	CHECK("fifth", 7, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("fifth", "\nq\x04!e\xff\n", buffer, 7);
	CHECK("sixth", 5, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("sixth", "last;", buffer, 5);
	CHECK("no more", -1, read(slave, buffer, 1));
	/* What was quoted last is literal, and erased with what is before. */
	NEED(write(master, "\x04\x7f" "s\n", 4) == 4);
	CHECK("seventh", 6, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("seventh", "tails\n", buffer, 6);

	CHECK("an end of file alone", 0, read_some(only, buffer, sizeof(buffer)));
	CHECK("once", -1, read(only, buffer, 1));
	CHECK("errno", EAGAIN, errno);
	check_column(other, only, 5);
	return verdict();
}

static int reader_fds[3];	/* slave, master, one that is full */
static pid_t reader_tids[3];

static void *read_line(void *argument)
{
	char line[16] = "";

	reader_tids[0] = tid_of_caller();
	CHECK("line", 5, read(reader_fds[0], line, sizeof(line)));
	check_bytes("line", "line\n", line, 5);
	return argument;
}

static void *read_output(void *argument)
{
	char byte = 0;

	reader_tids[1] = tid_of_caller();
	CHECK("output", 1, read(reader_fds[1], &byte, 1));
	CHECK("what", 'o', byte);
	return argument;
}

static void *write_more(void *argument)
{
	reader_tids[2] = tid_of_caller();
	CHECK("written when it goes on", 4, write(reader_fds[2], "more", 4));
	return argument;
}

static int readers(void)
{
	static void *(*const bodies[])(void *) = { read_line, read_output, write_more };
	int master = open_high(), other, third, wait;
	pthread_t threads[3];
	struct termios set;

	reader_fds[0] = open_slave(O_RDWR);
	NEED(tcgetattr(reader_fds[0], &set) == 0);
	set.c_lflag &= ~(tcflag_t)ECHO;
	NEED(tcsetattr(reader_fds[0], TCSANOW, &set) == 0 && write(master, "li", 2) == 2);
	reader_fds[1] = open_high();
	other = open_slave(O_RDWR);
	third = open_high();
	wait = open_slave(O_RDWR);
	NEED(tcflow(wait, TCOOFF) == 0);
	reader_fds[2] = wait;
	for (int i = 0; i < 3; i++)
		NEED(pthread_create(&threads[i], NULL, bodies[i], NULL) == 0);
	for (int i = 0; i < 3; i++) {
		while (!*(volatile pid_t *)&reader_tids[i])
			sleep_ms(1);
		wait_until_blocked(getpid(), reader_tids[i], i < 2 ? SYS_read : SYS_write);
	}

	ready();
	wait_until_told();

	NEED(write(master, "ne\n", 3) == 3 && write(other, "o", 1) == 1);
	NEED(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	NEED(tcflow(wait, TCOON) == 0);
	read_all("what was held up", third, "more", 4);
	NEED(pthread_join(threads[2], NULL) == 0);
	return verdict();
}

static int edited(void)
{
	int master = open_high(), slave = open_slave(O_RDWR | O_NONBLOCK), waiting = 0;
	struct termios set;
	char buffer[64];

	NEED(tcgetattr(slave, &set) == 0);
	set.c_lflag |= EXTPROC;
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	NEED(write(master, "ab\x04" "c\nd", 6) == 6);
	while (waiting < 6)
		NEED(ioctl(slave, FIONREAD, &waiting) == 0);

	ready();
	wait_until_told();

	check_termios(&set, slave);
	CHECK("all at once", 6, read_some(slave, buffer, sizeof(buffer)));
	check_bytes("all", "ab\x04" "c\nd", buffer, 6);
	return verdict();
}

enum { MUCH = 64 << 10 };

/* As much as is taken, of one sequence of bytes. */
static long fill(int fd, const char *bytes)
{
	long sent = 0, more;

	for (int tries = 0; tries < 20; tries++) {
		while ((more = write(fd, bytes + sent, (size_t)(MUCH - sent < 1001 ? MUCH - sent : 1001))) > 0)
			sent += more;
		sleep_ms(1);	/* what has been sent moves on */
	}
	return sent;
}

static void read_filled(const char *what, int fd, const char *bytes, long length)
{
	static char got[MUCH];
	long count = 0, more;

	while (count < length && (more = read_some(fd, got + count, (size_t)(length - count))) > 0)
		count += more;
	CHECK(what, length, count);
	check_bytes(what, bytes, got, (size_t)count);
}

static int full(void)
{
	int master = open_high(), slave = open_slave(O_RDWR | O_NONBLOCK), lines_too, lines_slave;
	static char bytes[MUCH], lines[MUCH];
	long in, out, line_in;
	struct termios set;

	NEED(tcgetattr(slave, &set) == 0 && fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	make_raw(&set);
	NEED(tcsetattr(slave, TCSANOW, &set) == 0);
	for (size_t i = 0; i < MUCH; i++) {
		bytes[i] = (char)(i * 11 + i / 256);
		lines[i] = i % 40 == 39 ? '\n' : (char)('a' + i % 26);
	}
	in = fill(master, bytes);
	out = fill(slave, bytes);
	NEED(in > 4096 && in < MUCH && out > 4096 && out < MUCH);
	lines_too = open_high();
	lines_slave = open_slave(O_RDWR | O_NONBLOCK);
	NEED(tcgetattr(lines_slave, &set) == 0 && fcntl(lines_too, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	set.c_lflag &= ~(tcflag_t)ECHO;
	NEED(tcsetattr(lines_slave, TCSANOW, &set) == 0);
	line_in = fill(lines_too, lines);
	NEED(line_in > 4096 && line_in < MUCH);

	ready();
	wait_until_told();

	read_filled("input", slave, bytes, in);
	read_filled("output", master, bytes, out);
	read_filled("lines", lines_slave, lines, line_in / 40 * 40);
	NEED(write(lines_too, "\n", 1) == 1);
	read_filled("the last line", lines_slave, lines + line_in / 40 * 40, line_in % 40);
	return verdict();
}

static void check_hung_up(const char *what, int fd)
{
	struct pollfd events = { fd, POLLIN, 0 };
	char byte;

	CHECK(what, 0, read(fd, &byte, 1));
	CHECK("write", -1, write(fd, "x", 1));
	CHECK("errno", (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? EBADF : EIO, errno);
	CHECK("poll", 1, poll(&events, 1, 0));
	CHECK("events", POLLIN | POLLERR | POLLHUP, events.revents);
}

static int hung_up(void)
{
	int gone = open_high(), slave = open_slave(O_RDWR | O_APPEND), other, master, first, again;
	struct stat before, now;
	char link[64], was[64] = "", is[64] = "";
	char byte;

	other = open_slave(O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	NEED(close(gone) == 0);
	NEED(fstat(slave, &before) == 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", slave);
	NEED(readlink(link, was, sizeof(was) - 1) > 0);
	/* As login(1) does it; the master is still there, and the slave can be opened again. */
	master = open_high();
	first = open_slave(O_RDWR);
	if (ioctl(first, TIOCVHANGUP)) {
		NEED(errno == EPERM && close(first) == 0);
		first = -1;
	}
	again = open_slave(O_RDWR);

	ready();
	wait_until_told();

	check_hung_up("read", slave);
	check_hung_up("read of the other", other);
	CHECK("flags", O_RDWR | O_APPEND, fcntl(slave, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	CHECK("the other's flags", O_NONBLOCK, fcntl(other, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	CHECK("the other's close-on-exec", FD_CLOEXEC, fcntl(other, F_GETFD));
	NEED(fstat(slave, &now) == 0);
	CHECK("device", before.st_rdev, now.st_rdev);
	CHECK("links", before.st_nlink, now.st_nlink);
	NEED(readlink(link, is, sizeof(is) - 1) > 0);
	check_text("name", was, is);
	if (first >= 0)
		check_hung_up("read of one with a master", first);
	CHECK("write to the new one", 1, write(again, "n", 1));
	CHECK("read", 1, read(master, &byte, 1));
	CHECK("what", 'n', byte);
	return verdict();
}

/* Each time one more master in packet mode, with something to be told. */
static int with_status(struct termios *set, int *slave)
{
	int master = open_high(), on = 1;

	*slave = open_slave(O_RDWR | O_NONBLOCK);
	NEED(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	NEED(tcgetattr(*slave, set) == 0 && ioctl(master, TIOCPKT, &on) == 0);
	return master;
}

static void check_status(const char *what, int master, int wanted)
{
	struct pollfd events = { master, POLLIN | POLLPRI, 0 };
	unsigned char packet[8] = "";

	CHECK(what, 1, poll(&events, 1, 0));
	CHECK("priority", POLLPRI, events.revents & POLLPRI);
	CHECK("length", 1, read(master, packet, sizeof(packet)));
	CHECK(what, wanted, packet[0]);
}

static int status(void)
{
	int flushed, stop, start, unread, slaves[4], waiting = 0;
	struct termios set;
	char packet[64];

	flushed = with_status(&set, &slaves[0]);
	NEED(tcflush(slaves[0], TCIOFLUSH) == 0);
	set.c_iflag &= ~(tcflag_t)IXON;
	NEED(tcsetattr(slaves[0], TCSANOW, &set) == 0);
	stop = with_status(&set, &slaves[1]);
	NEED(write(stop, "\x13", 1) == 1);
	write_until_told_no(slaves[1]);
	start = with_status(&set, &slaves[2]);
	NEED(tcflow(slaves[2], TCOOFF) == 0 && tcflow(slaves[2], TCOON) == 0);
	set.c_lflag |= EXTPROC;
	NEED(tcsetattr(slaves[2], TCSANOW, &set) == 0);
	set.c_lflag &= ~(tcflag_t)EXTPROC;
	set.c_cc[VSTOP] = 'x';
	NEED(tcsetattr(slaves[2], TCSANOW, &set) == 0);
	set.c_cc[VSTOP] = 0x13;
	NEED(tcsetattr(slaves[2], TCSANOW, &set) == 0);
	/* With unread data both ways, and characters that it would stop at. */
	unread = with_status(&set, &slaves[3]);
	NEED(tcflush(slaves[3], TCIFLUSH) == 0);
	set.c_lflag &= ~(tcflag_t)ECHO;
	NEED(tcsetattr(slaves[3], TCSANOW, &set) == 0);
	NEED(write(unread, "in\x16\x13\npart", 9) == 9 && write(slaves[3], "out", 3) == 3);
	while (waiting < 4)
		NEED(ioctl(slaves[3], FIONREAD, &waiting) == 0);

	ready();
	wait_until_told();

	check_status("flushes", flushed, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE | TIOCPKT_NOSTOP);
	check_status("stop", stop, TIOCPKT_STOP);
	CHECK("write while stopped", -1, write(slaves[1], "x", 1));
	NEED(write(stop, "\x11", 1) == 1);
	while (write(slaves[1], "y", 1) != 1)
		sleep_ms(1);
	check_status("start", start, TIOCPKT_START | TIOCPKT_IOCTL | TIOCPKT_DOSTOP);
	check_status("with unread data", unread, TIOCPKT_FLUSHREAD);
	CHECK("output", 4, read_some(unread, packet, sizeof(packet)));
	check_bytes("output", "\0out", packet, 4);
	CHECK("input", 4, read_some(slaves[3], packet, sizeof(packet)));
	check_bytes("input", "in\x13\n", packet, 4);
	NEED(write(unread, "\n", 1) == 1);
	CHECK("the rest", 5, read_some(slaves[3], packet, sizeof(packet)));
	check_bytes("the rest", "part\n", packet, 5);
	check_termios(&set, slaves[3]);
	return verdict();
}

static int passed[2];	/* a descriptor of /dev/tty comes by this */

static void owner(void *argument)
{
	int tty, own;

	(void)argument;
	NEED(setsid() == getpid());
	tty = open(name, O_RDWR);
	own = open("/dev/tty", O_RDWR | O_CLOEXEC);
	NEED(tty >= 0 && own >= 0 && tcgetsid(own) == getpid());
	NEED(close(tty) == 0);
	if (passed[1] >= 0) {
		union {
			struct cmsghdr header;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = { { 0 } };
		struct iovec one = { "", 1 };
		struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1,
			.msg_control = &control, .msg_controllen = sizeof(control) };

		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &own, sizeof(int));
		NEED(sendmsg(passed[1], &message, 0) == 1);
		close(passed[0]);
		close(passed[1]);
	}
	/* Nobody of the session has it open any more, and it is its terminal still. */
	NEED(close(own) == 0);
	child_is_ready();
	wait_until_told();
	own = open("/dev/tty", O_RDWR);
	CHECK("/dev/tty", 1, own >= 0);
	CHECK("session", getpid(), tcgetsid(own));
}

static int own(void)
{
	int master = open_high(), taken = -1, without;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec one = { &byte, 1 };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct stat now;
	pid_t pids[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, passed) == 0);
	pids[0] = spawn(owner, NULL);
	NEED(recvmsg(passed[0], &message, 0) == 1);
	memcpy(&taken, CMSG_DATA(&control.header), sizeof(int));
	close(passed[0]);
	close(passed[1]);
	passed[1] = -1;
	without = open_high();
	pids[1] = spawn(owner, NULL);

	ready();
	wait_until_told();

	NEED(fstat(taken, &now) == 0);
	CHECK("/dev/tty", makedev(5, 0), now.st_rdev);
	CHECK("it is none of mine", -1, open("/dev/tty", O_RDWR));
	NEED(write(taken, "t", 1) == 1);
	CHECK("read", 1, read(master, &byte, 1));
	CHECK("what", 't', byte);
	expect_exit("owner", pids[0], 0);
	CHECK("a master without any slave", -1, read(without, &byte, 1));
	expect_exit("owner without a descriptor", pids[1], 0);
	return verdict();
}

static int container(const char *path)
{
	int tty = open(path, O_RDWR), again = open(path, O_WRONLY | O_NONBLOCK), own;
	struct termios set;
	char byte = 0;

	signal(SIGHUP, SIG_IGN);
	own = open("/dev/tty", O_RDWR | O_CLOEXEC);
	NEED(tty >= 0 && again >= 0 && own >= 0 && tcgetsid(tty) == getpid());
	NEED(tcgetattr(tty, &set) == 0);
	make_raw(&set);
	set.c_cc[VQUIT] = 'q';
	NEED(tcsetattr(tty, TCSANOW, &set) == 0 && tcgetattr(tty, &set) == 0);

	ready();
	wait_until_told();

	check_termios(&set, tty);
	CHECK("session", getpid(), tcgetsid(own));
	CHECK("foreground group", getpgrp(), tcgetpgrp(own));
	CHECK("flags of the other", O_WRONLY | O_NONBLOCK, fcntl(again, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("write", 5, write(again, "hello", 5));
	CHECK("read", 1, read(tty, &byte, 1));
	CHECK("what", '!', byte);
	return verdict();
}

/* Mounts are for who is alone to see them. */
static int instances(void)
{
	int masters[2], slaves[2], number;
	char byte, path[64];

	NEED(mkdir("pts", 0755) == 0);
	NEED(mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0666") == 0);
	masters[0] = open_high();
	slaves[0] = open_slave(O_RDWR);
	number = number_of(masters[0]);
	do {
		masters[1] = open("pts/ptmx", O_RDWR | O_NOCTTY);
		NEED(masters[1] >= 0 && number_of(masters[1]) <= number);
	} while (number_of(masters[1]) < number);
	NEED(unlockpt(masters[1]) == 0);
	snprintf(path, sizeof(path), "pts/%d", number);
	slaves[1] = open(path, O_RDWR | O_NOCTTY);
	NEED(slaves[1] >= 0);
	for (int fd = masters[0] + 1; fd < masters[1]; fd++)
		if (fd != slaves[0])
			close(fd);

	ready();
	wait_until_told();

	CHECK("number", number, number_of(masters[0]));
	CHECK("the other's number", number, number_of(masters[1]));
	for (int i = 0; i < 2; i++) {
		char seen[PATH_MAX] = "", wanted[PATH_MAX + 64];

		NEED(ttyname_r(slaves[i], seen, sizeof(seen)) == 0);
		if (i)
			snprintf(wanted, sizeof(wanted), "%s/pts/%d", test_dir, number);
		else
			snprintf(wanted, sizeof(wanted), "/dev/pts/%d", number);
		check_text("name", wanted, seen);
		NEED(write(slaves[i], "01" + i, 1) == 1);
		CHECK("read", 1, read(masters[i], &byte, 1));
		CHECK("which", '0' + i, byte);
	}
	return verdict();
}

static int discipline(void)
{
	int master = open_high(), slave = open_slave(O_RDWR), null = 27 /* N_NULL */, is = 0;

	NEED(ioctl(slave, TIOCSETD, &null) == 0);

	ready();
	wait_until_told();

	NEED(ioctl(slave, TIOCGETD, &is) == 0);
	CHECK("line discipline", null, is);
	CHECK("number", number_of(master), number_of(master));
	return verdict();
}

/* What is typed while output is stopped is echoed when it goes on. */
static int echo(void)
{
	int master = open_high(), slave = open_slave(O_RDWR | O_NONBLOCK);

	NEED(write(master, "\x13", 1) == 1);
	write_until_told_no(slave);
	drain(master);
	NEED(write(master, "a\n", 2) == 2);
	read_all("what was typed", slave, "a\n", 0);
	{
		struct pollfd line = { slave, POLLIN, 0 };

		NEED(poll(&line, 1, 10000) == 1);
	}

	ready();
	wait_until_told();

	NEED(write(master, "\x11", 1) == 1);
	read_all("echo", master, "a\r\n", 3);
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
	if (!strcmp(argv[2], "ends"))
		return ends();
	if (!strcmp(argv[2], "readers"))
		return readers();
	if (!strcmp(argv[2], "edited"))
		return edited();
	if (!strcmp(argv[2], "full"))
		return full();
	if (!strcmp(argv[2], "own"))
		return own();
	if (!strcmp(argv[2], "instances"))
		return instances();
	if (!strcmp(argv[2], "container"))
		return container(argv[3]);
	if (!strcmp(argv[2], "discipline"))
		return discipline();
	if (!strcmp(argv[2], "echo"))
		return echo();
	if (!strcmp(argv[2], "hung-up"))
		return hung_up();
	if (!strcmp(argv[2], "status"))
		return status();
	if (!strcmp(argv[2], "outside"))
		return outside();
	NEED(!strcmp(argv[2], "closed"));
	return closed();
}
