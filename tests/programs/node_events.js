// Node: timers, promises, a worker thread, a child on pipes, work of the thread pool.
"use strict";
const fs = require("fs");
const zlib = require("zlib");
const { spawn } = require("child_process");
const { Worker } = require("worker_threads");

process.chdir(process.argv[2]);
const assert = require("assert");
let ticks = 0, told = false;
const answers = [], squares = [], packed = [];

const child = spawn(process.execPath, ["-e", `
	let rest = "";
	process.stdin.on("data", (data) => {
		const lines = (rest + data).split("\\n");
		rest = lines.pop();
		for (const line of lines)
			process.stdout.write(Number(line) * 2 + "\\n");
	});`], { stdio: ["pipe", "pipe", "inherit"] });
let rest = "";
child.stdout.on("data", (data) => {
	const lines = (rest + data).split("\n");
	rest = lines.pop();
	for (const line of lines) {
		answers.push(Number(line));
		if (told)
			child.stdin.end();
		else
			child.stdin.write(answers.length + "\n");
	}
});
child.stdin.write("0\n");
const ended = new Promise((done) => child.on("exit", (code) => done(code)));

const worker = new Worker(`
	const { parentPort } = require("worker_threads");
	parentPort.on("message", (n) => parentPort.postMessage(n * n));`, { eval: true });
worker.on("message", (square) => {
	squares.push(square);
	if (!told)
		worker.postMessage(squares.length);
	else
		worker.terminate();
});
worker.postMessage(0);

const pack = () => zlib.deflate("x".repeat(packed.length % 1000), (error, data) => {
	assert.ifError(error);
	packed.push(zlib.inflateSync(data).length);
	if (!told)
		pack();
});
pack();

const late = setTimeout(() => { throw new Error("too late"); }, 3600000);
let last = process.hrtime.bigint();
const ticking = setInterval(() => {
	const now = process.hrtime.bigint();
	assert(now >= last);
	last = now;
	ticks++;
	if (ticks === 20)
		fs.writeSync(1, "READY\n");
	if (ticks >= 20 && fs.existsSync("go")) {
		told = true;
		clearInterval(ticking);
		clearTimeout(late);
	}
}, 5);

process.on("exit", () => {
	if (process.exitCode)
		return;
	assert.deepStrictEqual(answers, answers.map((_, n) => 2 * n));
	assert.deepStrictEqual(squares, squares.map((_, n) => n * n));
	assert.deepStrictEqual(packed, packed.map((_, n) => n % 1000));
	assert(answers.length > 5 && squares.length > 5 && packed.length > 5);
	fs.writeSync(1, "PASS\n");
});
ended.then((code) => assert.strictEqual(code, 0));
