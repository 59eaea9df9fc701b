// Node: an HTTP server that knows its connections: what each has sent so far, and a long answer
// that is only as far ahead as its client reads.
"use strict";
const http = require("http");
const { createHash } = require("crypto");

function* pieces(bytes) {
	for (let at = 0; at < bytes; at += 8192) {
		const piece = Buffer.alloc(Math.min(8192, bytes - at));
		for (let i = 0; i < piece.length; i++)
			piece[i] = (at + i) % 251;
		yield piece;
	}
}

const server = http.createServer((request, response) => {
	const connection = request.socket;
	connection.hash ??= createHash("sha256");
	if (request.method === "GET") {
		const bytes = Number(request.url.slice("/give/".length));
		response.writeHead(200, { "Content-Length": bytes });
		const left = pieces(bytes);
		const more = () => {
			for (const piece of left) {
				if (!response.write(piece)) {
					response.once("drain", more);
					return;
				}
			}
			response.end();
		};
		// A for loop that is left closes a generator.
		left.return = undefined;
		more();
		return;
	}
	request.on("data", (data) => connection.hash.update(data));
	request.on("end", () => response.end(connection.hash.copy().digest("hex")));
});
server.keepAliveTimeout = server.headersTimeout = server.requestTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
