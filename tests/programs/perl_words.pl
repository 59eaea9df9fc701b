# Perl: a child on a pipe, hashes, regular expressions, a signal handler, a timer that never stops.
use strict;
use warnings;
use Time::HiRes qw(setitimer getitimer ITIMER_REAL);
$| = 1;
chdir $ARGV[0] or die;
my (%seen, $alarms);
$SIG{USR1} = sub { $alarms++ };
my $pid = open(my $child, '-|') // die;
if (!$pid) {
	$| = 1;
	my $n = 0;
	while (!-e 'go') {
		print "word", $n++, "\n";
		select(undef, undef, undef, 0.002);
	}
	exit 0;
}
my $ticks = 0;
$SIG{ALRM} = sub { $ticks++ };
setitimer(ITIMER_REAL, 0.003, 0.003);
my $state = 1;
print "READY\n";
my $lines = 0;
while (my $line = <$child>) {
	$line =~ /^word(\d+)$/ or die "FAIL: line $line";
	$1 == $lines++ or die "FAIL: order of $line";
	$seen{$1}++;
	$state = ($state * 1103515245 + 12345) % 2147483648;
}
# The timer is still there, and still tells.
my ($left, $interval) = getitimer(ITIMER_REAL);
die "FAIL: timer $left $interval" if abs($interval - 0.003) > 0.0001;
my $had = $ticks;
select(undef, undef, undef, 0.01) while $ticks < $had + 3;
setitimer(ITIMER_REAL, 0);
close($child) or die "FAIL: child $?";
kill 'USR1', $$;
my $again = 1;
$again = ($again * 1103515245 + 12345) % 2147483648 for 1 .. $lines;
die "FAIL: state" if $again != $state;
die "FAIL: keys" if keys(%seen) != $lines;
die "FAIL: signal" if $alarms != 1;
print "PASS\n";
