// Java: threads that hand on numbers, timers, a selector that is woken through its eventfd.
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.security.MessageDigest;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;

public class JavaThreads {
	static volatile boolean told;

	public static void main(String[] args) throws Exception {
		File go = new File(args[0], "go");
		BlockingQueue<Integer> numbers = new ArrayBlockingQueue<>(16);
		ConcurrentMap<Integer, String> digests = new ConcurrentHashMap<>();
		ExecutorService workers = Executors.newFixedThreadPool(4);
		for (int i = 0; i < 4; i++)
			workers.submit(() -> {
				for (int n; (n = numbers.take()) >= 0; )
					digests.put(n, digest(n));
				return null;
			});
		AtomicLong ticks = new AtomicLong();
		ScheduledExecutorService timer = Executors.newScheduledThreadPool(1);
		timer.scheduleAtFixedRate(ticks::incrementAndGet, 2, 2, TimeUnit.MILLISECONDS);

		Pipe pipe = Pipe.open();
		pipe.source().configureBlocking(false);
		AtomicLong read = new AtomicLong(), wakeups = new AtomicLong();
		Selector selector = Selector.open();
		pipe.source().register(selector, SelectionKey.OP_READ);
		Thread selecting = new Thread(() -> {
			ByteBuffer buffer = ByteBuffer.allocate(64);
			try {
				while (!told) {
					if (selector.select() == 0)
						wakeups.incrementAndGet();
					selector.selectedKeys().clear();
					for (int n; (n = pipe.source().read(buffer)) > 0; buffer.clear())
						read.addAndGet(n);
				}
			} catch (Exception error) {
				throw new RuntimeException(error);
			}
		});
		selecting.start();

		int count = 0;
		long written = 0;
		while (!go.exists()) {
			numbers.put(count++);
			written += pipe.sink().write(ByteBuffer.wrap(new byte[] { 1, 2, 3 }));
			while (read.get() < written)
				Thread.sleep(1);
			selector.wakeup();
			if (count == 100) {
				System.out.println("READY");
				System.out.flush();
			}
		}
		told = true;
		selector.wakeup();
		selecting.join(20000);
		for (int i = 0; i < 4; i++)
			numbers.put(-1);
		workers.shutdown();
		timer.shutdown();
		check(workers.awaitTermination(20, TimeUnit.SECONDS), "workers end");
		check(!selecting.isAlive(), "the selector ends");
		check(digests.size() == count, "all numbers are taken");
		for (int n = 0; n < count; n++)
			check(digest(n).equals(digests.get(n)), "digest");
		check(read.get() == written, "what was read");
		check(ticks.get() > 10 && wakeups.get() > 10, "timers and wakeups");
		System.out.println("PASS");
	}

	static String digest(int number) throws Exception {
		MessageDigest sha = MessageDigest.getInstance("SHA-256");
		for (int i = 0; i < 50; i++)
			sha.update(Integer.toString(number).getBytes());
		return new java.math.BigInteger(1, sha.digest()).toString(16);
	}

	static void check(boolean holds, String what) {
		if (!holds) {
			System.out.println("FAIL: " + what);
			System.exit(1);
		}
	}
}
