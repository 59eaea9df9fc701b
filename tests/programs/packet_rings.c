/*
 * Packet sockets with rings, which a program and the kernel go through each for itself:
 *
 *     packet_rings v1|v2|v3          both rings, packets unread, a frame marked to be sent
 *     packet_rings frozen            blocks of which the kernel waits for the program's
 *     packet_rings timed             blocks that the kernel gives away after a millisecond
 *
 * They are mapped by a child that has no descriptor too, and a second time in part.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#define PROTOCOL 0x88b6		/* ETH_P_802_EX2 */
#define BLOCK 8192
#define FRAME 512
#define BLOCKS 5
#define FRAMES (BLOCKS * (BLOCK / FRAME))
#define TX_FRAMES (2 * (4096 / FRAME))
#define BYTES 100		/* of a packet's payload */

static int version, fd, frame;		/* the program's place: a frame, or a block */
static unsigned int left, at;		/* packets left in the block, and where the next one is */
static unsigned char *ring, *again, *third, before[BLOCKS * BLOCK];
static uint32_t sent, received;		/* how many so far: packets are numbered */
static int tx_frame;
static uint32_t flushed, arrived;
static bool timed;

static uint32_t status_of(int index)
{
	unsigned char *start = ring + index * FRAME;

	if (version == TPACKET_V1)
		return (uint32_t)__atomic_load_n(&((struct tpacket_hdr *)start)->tp_status,
						 __ATOMIC_ACQUIRE);
	return __atomic_load_n(&((struct tpacket2_hdr *)start)->tp_status, __ATOMIC_ACQUIRE);
}

static struct tpacket_hdr_v1 *block_of(int index)
{
	return &((struct tpacket_block_desc *)(ring + index * BLOCK))->hdr.bh1;
}

/* What packet `number` is: a header for the loopback device, whose it is, its number, a pattern. */
static void make_packet(unsigned char *packet, uint32_t number)
{
	uint32_t words[2] = { (uint32_t)getpgrp(), number };

	memset(packet, 0, ETH_HLEN);
	packet[12] = PROTOCOL >> 8;
	packet[13] = PROTOCOL & 0xff;
	memcpy(packet + ETH_HLEN, words, 8);
	for (size_t i = 8; i < BYTES; i++)
		packet[ETH_HLEN + i] = (unsigned char)pattern(number, i);
}

static void check_packet(const unsigned char *packet, uint32_t number, uint32_t length)
{
	unsigned char wanted[ETH_HLEN + BYTES];

	make_packet(wanted, number);
	CHECK("length", sizeof(wanted), length);
	check_bytes("packet", wanted, packet, sizeof(wanted));
}

static volatile uint32_t *tx_status(int index)
{
	unsigned char *start = ring + BLOCKS * BLOCK + index * FRAME;

	if (version == TPACKET_V1)
		return (volatile uint32_t *)start;
	if (version == TPACKET_V2)
		return &((struct tpacket2_hdr *)start)->tp_status;
	return &((struct tpacket3_hdr *)start)->tp_status;
}

static void put(void)
{
	unsigned char *start = ring + BLOCKS * BLOCK + tx_frame * FRAME, *data;

	NEED(*tx_status(tx_frame) == TP_STATUS_AVAILABLE);
	if (version == TPACKET_V1) {
		((struct tpacket_hdr *)start)->tp_len = ETH_HLEN + BYTES;
		data = start + TPACKET_HDRLEN - sizeof(struct sockaddr_ll);
	} else if (version == TPACKET_V2) {
		((struct tpacket2_hdr *)start)->tp_len = ETH_HLEN + BYTES;
		data = start + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
	} else {
		((struct tpacket3_hdr *)start)->tp_next_offset = 0;
		((struct tpacket3_hdr *)start)->tp_len = ETH_HLEN + BYTES;
		data = start + TPACKET3_HDRLEN - sizeof(struct sockaddr_ll);
	}
	make_packet(data, sent++);
	__atomic_store_n(tx_status(tx_frame), TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	tx_frame = (tx_frame + 1) % TX_FRAMES;
}

/* Sends what is marked, and waits until it has come back from the loopback device. */
static void flush(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1,
				  .sll_protocol = htons(PROTOCOL) };
	struct tpacket_stats_v3 stats;

	NEED(sendto(fd, NULL, 0, 0, (void *)&to, sizeof(to)) == ETH_HLEN + BYTES);
	flushed++;
	for (int i = 0; arrived < flushed; i++) {
		socklen_t size = sizeof(stats);

		NEED(i < 20000 && getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0);
		arrived += stats.tp_packets;
		if (arrived < flushed)
			sleep_ms(1);
	}
}

static bool wait_for(volatile const uint32_t *word, uint32_t bit)
{
	for (int i = 0; i < 20000; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) & bit)
			return true;
		sleep_ms(1);
	}
	return false;
}

static void receive_frame(void)
{
	unsigned char *start = ring + frame * FRAME;
	struct tpacket_hdr *one = (void *)start;
	struct tpacket2_hdr *two = (void *)start;

	for (int i = 0; !(status_of(frame) & TP_STATUS_USER); i++) {
		if (i == 20000) {
			fail("packet %u does not come, at frame %d", received, frame);
			return;
		}
		sleep_ms(1);
	}
	if (version == TPACKET_V1) {
		check_packet(start + one->tp_mac, received++, one->tp_len);
		__atomic_store_n(&one->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	} else {
		check_packet(start + two->tp_mac, received++, two->tp_len);
		__atomic_store_n(&two->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
	frame = (frame + 1) % FRAMES;
}

/* The next packet of the block that the program has, of the next block if there is none left. */
static void receive_of_block(void)
{
	struct tpacket_hdr_v1 *block = block_of(frame);
	struct tpacket3_hdr *packet;

	while (!left) {
		if (!wait_for(&block->block_status, TP_STATUS_USER)) {
			fail("packet %u does not come, in block %d", received, frame);
			return;
		}
		left = block->num_pkts;
		at = block->offset_to_first_pkt;
	}
	packet = (void *)((unsigned char *)ring + frame * BLOCK + at);
	check_packet((unsigned char *)packet + packet->tp_mac, received++, packet->tp_len);
	at += packet->tp_next_offset;
	if (!--left) {
		CHECK("the last has no next", 0, packet->tp_next_offset);
		CHECK("its time", block->ts_last_pkt.ts_sec, packet->tp_sec);
		__atomic_store_n(&block->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		frame = (frame + 1) % BLOCKS;
	}
}

static void receive(void)
{
	if (version == TPACKET_V3)
		receive_of_block();
	else
		receive_frame();
}

static void send_one(void)
{
	put();
	flush();
}

/* The time when it opened a block that is still empty is the kernel's own affair. */
static void check_ring(const char *what)
{
	if (timed)
		check_bytes(what, before + frame * BLOCK, ring + frame * BLOCK, BLOCK);
	else
		check_bytes(what, before, ring, BLOCKS * BLOCK);
}

static void child(void *argument UNUSED)
{
	close(fd);
	child_is_ready();
	wait_until_told();
	check_ring("what the child sees");
	ring[BLOCKS * BLOCK + TX_FRAMES * FRAME - 1] = 0x5a;	/* behind any packet */
	close(open("looked", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void make(int timeout)
{
	struct sock_filter code[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htonl((uint32_t)getpgrp()) },
		{ BPF_RET | BPF_K, 0, 0, 0xffff },
		{ BPF_RET | BPF_K, 0, 0, 0 },
	};
	struct sock_fprog program = { COUNT(code), code };
	struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons(PROTOCOL),
				    .sll_ifindex = 1 };
	struct tpacket_req3 rx = { BLOCK, BLOCKS, FRAME, FRAMES, (unsigned int)timeout, 0, 0 };
	struct tpacket_req3 tx = { 4096, 2, FRAME, TX_FRAMES, 0, 0, 0 };
	socklen_t size = version == TPACKET_V3 ? sizeof(rx) : sizeof(struct tpacket_req);
	int off = 1;

	fd = socket(AF_PACKET, SOCK_RAW, 0);
	NEED(fd >= 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	NEED(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) == 0);
	NEED(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &rx, size) == 0);
	NEED(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &tx, size) == 0);
	NEED(setsockopt(fd, SOL_PACKET, 23, &off, sizeof(off)) == 0);	/* PACKET_IGNORE_OUTGOING */
	ring = mmap(NULL, BLOCKS * BLOCK + 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(ring != MAP_FAILED);
	again = mmap(NULL, BLOCKS * BLOCK + 2 * 4096, PROT_READ, MAP_SHARED, fd, 0);
	NEED(again != MAP_FAILED && munmap(again, 4096) == 0);
	third = mmap(NULL, BLOCKS * BLOCK + 2 * 4096, PROT_READ, MAP_SHARED, fd, 0);
	NEED(third != MAP_FAILED && mprotect(third + BLOCK, BLOCK, PROT_READ | PROT_WRITE) == 0);
	NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
}

int main(int argc, char **argv)
{
	const char *how = variant(argc, argv);
	uint32_t had;
	pid_t pid;

	begin(argc, argv);
	NEED(setpgid(0, 0) == 0 || getpgrp() == getpid());
	version = !strcmp(how, "v1") ? TPACKET_V1 : !strcmp(how, "v2") ? TPACKET_V2 : TPACKET_V3;
	timed = !strcmp(how, "timed");
	make(timed ? 1 : 3600000);
	if (version != TPACKET_V3) {
		/* Around once, and five that nobody has read. */
		for (int i = 0; i < FRAMES + 23; i++) {
			send_one();
			if (i >= 5)
				receive();
		}
	} else if (!strcmp(how, "v3")) {
		/* Around, until one block is the program's in part, one unread, one begun. */
		while (!left || block_of(frame)->seq_num != 13) {
			send_one();
			if (left || block_of(frame)->block_status & TP_STATUS_USER)
				receive();
		}
		while (block_of(4)->seq_num != 15 || block_of(4)->num_pkts != 7)
			send_one();
		NEED(frame == 2 && block_of(3)->block_status & TP_STATUS_USER);
	} else if (!strcmp(how, "frozen")) {
		while (!(block_of(BLOCKS - 1)->block_status & TP_STATUS_USER))
			send_one();
		/* The one that filled it was dropped. */
		sent--;
		for (int i = 0; i < 3; i++)
			receive();
	} else {
		for (int i = 0; i < 13; i++) {
			send_one();
			receive();
		}
		send_one();
		NEED(wait_for(&block_of(frame)->block_status, TP_STATUS_USER));
	}
	put();	/* and not flushed */
	memcpy(before, ring, sizeof(before));
	had = received;
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	for (int i = 0; access("looked", F_OK) && i < 20000; i++)
		sleep_ms(1);
	check_ring("the receiving ring");
	check_bytes("mapped thrice", ring, third, BLOCKS * BLOCK);
	third[2 * BLOCK - 1] = 0;	/* in no packet */
	check_bytes("mapped again", ring + 4096, again + 4096, BLOCKS * BLOCK - 4096);
	CHECK("what the child wrote", 0x5a, ring[BLOCKS * BLOCK + TX_FRAMES * FRAME - 1]);
	CHECK("to be sent", TP_STATUS_SEND_REQUEST, *tx_status((tx_frame + TX_FRAMES - 1) % TX_FRAMES));
	expect_exit("child", pid, 0);
	if (!strcmp(how, "v3")) {
		CHECK("the kernel's block", TP_STATUS_KERNEL, block_of(4)->block_status);
		CHECK("its number", 15, block_of(4)->seq_num);
		CHECK("its packets", 7, block_of(4)->num_pkts);
	}
	if (!strcmp(how, "frozen")) {
		flush();
		sent--;		/* dropped, too: there is no room */
		while (received < sent)
			receive();
	} else {
		flush();
	}
	/*
	 * All that was unread, and around twice. Whatever there is is taken before more is sent: who
	 * is slow has a block for each packet, and soon there is none left.
	 */
	for (int i = 0; i < 2 * FRAMES && !failures; i++) {
		while (!failures && received < sent && (version != TPACKET_V3 || left ||
					block_of(frame)->block_status & TP_STATUS_USER))
			receive();
		send_one();
	}
	while (!failures && received < sent &&
	       (version != TPACKET_V3 || left || timed ||
		block_of(frame)->block_status & TP_STATUS_USER))
		receive();
	check_between("received", 2 * FRAMES - 80, 2 * FRAMES + 200, received - had);
	return verdict();
}
