#!/bin/bash
# PostgreSQL and a client with a transaction open: postgres.sh DIR BIN
cd "$1" || exit 2
export PATH=$2:$PATH
initdb -D data -U me -A trust --no-sync >init.log 2>&1 || { cat init.log; exit 2; }
postgres -D data -k "$PWD" -h '' -c fsync=off >server.log 2>&1 &
server=$!
until pg_isready -q -h "$PWD" -U me -d postgres; do sleep 0.05; done
mkfifo in
psql -h "$PWD" -U me -XqAt -v ON_ERROR_STOP=1 postgres <in >answers 2>&1 &
client=$!
exec 9>in
echo "create table t (n int); begin; insert into t values (1); select 'begun' from t;" >&9
until grep -q begun answers; do sleep 0.05; done
echo READY
n=1
until [ -e go ]; do
	n=$((n + 1))
	echo "insert into t values ($n); select 'row', max(n) from t;" >&9
	until grep -q "^row|$n$" answers; do
		kill -0 $client || { tail -n 5 answers server.log; exit 1; }
		sleep 0.005
	done
done
# Nobody else sees the rows before the end, and everybody after it.
count="select count(*), coalesce(sum(n), 0) from t"
before=$(psql -h "$PWD" -U me -XqAt postgres -c "$count")
echo "commit; select count(*), sum(n) from t;" >&9
exec 9>&-
wait $client || exit 1
expected="$n|$((n * (n + 1) / 2))"
after=$(psql -h "$PWD" -U me -XqAt postgres -c "$count")
kill -INT $server
wait $server
answer=$(tail -n 1 answers)
if [ "$before" != "0|0" ] || [ "$answer" != "$expected" ] || [ "$after" != "$expected" ]; then
	echo "expected 0|0 and $expected twice, got $before, $answer and $after"
	exit 1
fi
grep -E "PANIC|terminated by signal|crash" server.log && exit 1
echo PASS
