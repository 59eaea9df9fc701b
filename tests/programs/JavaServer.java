// Java: an HTTP server of the standard library with four threads, which knows its connections: what
// each has sent so far, and a long answer that is only as far ahead as its client reads.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

public class JavaServer {
	static final Map<InetSocketAddress, MessageDigest> sent = new ConcurrentHashMap<>();

	public static void main(String[] args) throws Exception {
		int port = Integer.parseInt(args[0]);
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 16);

		server.createContext("/", JavaServer::handle);
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.start();
	}

	static void handle(HttpExchange exchange) throws IOException {
		try (exchange; OutputStream answer = exchange.getResponseBody()) {
			if (exchange.getRequestMethod().equals("GET")) {
				int bytes = Integer.parseInt(exchange.getRequestURI().getPath().substring(6));
				byte[] piece = new byte[8192];

				exchange.sendResponseHeaders(200, bytes);
				for (int at = 0; at < bytes; at += piece.length) {
					int length = Math.min(piece.length, bytes - at);

					for (int i = 0; i < length; i++)
						piece[i] = (byte) ((at + i) % 251);
					answer.write(piece, 0, length);
				}
				return;
			}
			MessageDigest digest = sent.computeIfAbsent(exchange.getRemoteAddress(), a -> sha256());

			digest.update(exchange.getRequestBody().readAllBytes());
			byte[] text = HexFormat.of().formatHex(copy(digest).digest()).getBytes();
			exchange.sendResponseHeaders(200, text.length);
			answer.write(text);
		}
	}

	static MessageDigest sha256() {
		try {
			return MessageDigest.getInstance("SHA-256");
		} catch (java.security.NoSuchAlgorithmException never) {
			throw new IllegalStateException(never);
		}
	}

	static MessageDigest copy(MessageDigest digest) {
		try {
			return (MessageDigest) digest.clone();
		} catch (CloneNotSupportedException never) {
			throw new IllegalStateException(never);
		}
	}
}
