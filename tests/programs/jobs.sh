# A bash script with background jobs, pipes, a coprocess, process substitution, a trap, arrays and functions.
# DIR is its argument; it ends some time after DIR/go is there.
set -u
cd "$1" || exit 2
declare -A sums=()
traps=0
jobs_of=()
trap 'traps=$((traps + 1))' USR1

numbers() {
	local n=0
	while [[ ! -e go ]]; do
		echo $((n += 1))
		sleep 0.01
	done
	echo end
}

numbers | while read -r n; do
	echo "$n" >>seen
	if [[ $n == end ]]; then break; fi
done &
pipeline=$!
for name in a b c; do
	(
		n=0
		while [[ ! -e go ]]; do
			n=$((n + 1))
			sleep 0.02
		done
		echo $n >"job-$name"
	) &
	jobs_of+=($!)
done
exec 7< <(while [[ ! -e go ]]; do sleep 0.02; done; echo substituted)
# A coprocess that is asked and answers all the time, by a job that signals itself as well.
coproc DOUBLE { while read -r n; do echo $((n * 2)); done; }
doubler=$DOUBLE_PID
# Under other numbers: a subshell closes the coprocess' own.
exec {ask}>&"${DOUBLE[1]}" {hear}<&"${DOUBLE[0]}"
exec {DOUBLE[1]}>&-
(
	signals=0
	trap 'signals=$((signals + 1))' USR2
	n=0
	while [[ ! -e go ]]; do
		echo $((n += 1)) >&"$ask"
		read -r answer <&"$hear"
		[[ $answer == $((n * 2)) ]] || exit 1
		kill -USR2 "$BASHPID"
		((n % 50)) || sleep 0.005
	done
	[[ $signals == "$n" ]] || exit 2
) &
jobs_of+=($!)
for ((i = 0; i < 1000; i++)); do sums[$((i % 10))]=$((${sums[$((i % 10))]:-0} + i)); done
kill -USR1 $$
echo READY

wait "$pipeline" || { echo "FAIL: pipeline: $?"; exit 1; }
for pid in "${jobs_of[@]}"; do
	wait "$pid" || { echo "FAIL: job $pid: $?"; exit 1; }
done
exec {ask}>&-
wait "$doubler" || { echo "FAIL: coprocess: $?"; exit 1; }
read -r word <&7
[[ $word == substituted ]] || { echo "FAIL: process substitution: $word"; exit 1; }
kill -USR1 $$
[[ $traps == 2 ]] || { echo "FAIL: traps: $traps"; exit 1; }
[[ ${sums[3]} == 49800 ]] || { echo "FAIL: array: ${sums[3]}"; exit 1; }
# Every number came through the pipe, once and in order.
count=$(($(wc -l <seen) - 1))
{ seq "$count"; echo end; } | cmp - seen || { echo "FAIL: numbers"; exit 1; }
cat job-a job-b job-c >/dev/null || { echo "FAIL: jobs"; exit 1; }
echo PASS
