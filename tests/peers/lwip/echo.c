/* A line echo on lwIP's raw API, for QEMU's lm3s6965evb: the measure of the firmware in
 * examples/firmware. It does the same for its clients: 4 connections on port 7, lines of at most
 * 256 bytes held until they are whole, lines counted, the unterminated rest at half-close. */

#include <string.h>

#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

enum { SLOTS = 4, LINE_BYTES = 256, FRAME_BYTES = 1514, CLOCK_HZ = 12500000 };

/* --- The echo ------------------------------------------------------------------------------- */

struct connection {
    struct tcp_pcb *pcb; /* none: the slot is free */
    struct pbuf *input;  /* what came and was not taken yet */
    unsigned held;       /* bytes of an unfinished line */
    unsigned lines;
    unsigned char at_end;
    char line[LINE_BYTES];
};

static struct connection connections[SLOTS];

/* Sends what is held, if there is room. */
static int flush(struct connection *c) {
    if (c->held > 0) {
        if (tcp_write(c->pcb, c->line, c->held, TCP_WRITE_FLAG_COPY) != ERR_OK) return 0;
        c->held = 0;
    }
    return 1;
}

static void take(struct connection *c, unsigned bytes) {
    c->input = pbuf_free_header(c->input, bytes);
    tcp_recved(c->pcb, bytes);
}

/* Whole lines go from the input to the socket, an unfinished one into its buffer. */
static void serve(struct connection *c) {
    while (c->input != NULL) {
        char *bytes = c->input->payload, *end = bytes + c->input->len, *after = bytes, *newline;
        unsigned lines = 0, room;
        while ((newline = memchr(after, '\n', end - after)) != NULL) {
            after = newline + 1;
            lines += 1;
        }
        if (after > bytes) {
            if (!flush(c)) break;
            room = tcp_sndbuf(c->pcb);
            if ((unsigned)(after - bytes) > room) {
                after = bytes + room;
                lines = 0; /* counted when the rest goes */
            }
            if (after == bytes || tcp_write(c->pcb, bytes, after - bytes, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
            c->lines += lines;
        } else {
            room = LINE_BYTES - c->held;
            if (room == 0) {
                if (!flush(c)) break;
                continue;
            }
            after = end - bytes > (int)room ? bytes + room : end;
            memcpy(c->line + c->held, bytes, after - bytes);
            c->held += after - bytes;
        }
        take(c, after - bytes);
    }
    if (c->at_end && c->input == NULL && flush(c) && tcp_close(c->pcb) == ERR_OK) {
        tcp_arg(c->pcb, NULL);
        c->pcb = NULL;
    } else {
        tcp_output(c->pcb);
    }
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    struct connection *c = arg;
    (void)pcb, (void)error;
    if (c == NULL) return ERR_OK;
    if (p == NULL) c->at_end = 1;
    else if (c->input == NULL) c->input = p;
    else pbuf_cat(c->input, p);
    serve(c);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t bytes) {
    struct connection *c = arg;
    (void)pcb, (void)bytes;
    if (c != NULL && (c->input != NULL || c->at_end)) serve(c);
    return ERR_OK;
}

static void on_error(void *arg, err_t error) {
    struct connection *c = arg;
    (void)error;
    if (c == NULL) return;
    if (c->input != NULL) pbuf_free(c->input);
    c->pcb = NULL;
}

static err_t on_accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    struct connection *c = connections;
    (void)arg;
    if (error != ERR_OK || pcb == NULL) return ERR_VAL;
    while (c < connections + SLOTS && c->pcb != NULL) c++;
    if (c == connections + SLOTS) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    memset(c, 0, sizeof *c);
    c->pcb = pcb;
    tcp_nagle_disable(pcb); /* it holds back short lines; the firmware has it off, too */
    tcp_arg(pcb, c);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    return ERR_OK;
}

/* --- The board ------------------------------------------------------------------------------ */

#define REGISTER(address) (*(volatile unsigned *)(address))
#define MAC(offset) REGISTER(0x40048000 + (offset))
#define SYST(offset) REGISTER(0xE000E010 + (offset))

static volatile u32_t millis;
static u32_t frame[(2 + FRAME_BYTES + 4 + 3) / 4];

u32_t sys_now(void) { return millis; }

static void on_tick(void) { millis += 100; }
static void on_ethernet(void) { MAC(0x00) = MAC(0x00) & ~2u; }

static void say(const char *text) {
    while (*text != 0) REGISTER(0x4000C000) = *text++;
}

static err_t send(struct netif *netif, struct pbuf *p) {
    unsigned bytes = p->tot_len - ETH_PAD_SIZE, word;
    (void)netif;
    while (MAC(0x38) != 0) {}
    pbuf_copy_partial(p, (char *)frame + 2, bytes, ETH_PAD_SIZE);
    frame[0] = (frame[0] & 0xFFFF0000u) | (bytes - 14);
    for (word = 0; word < (2 + bytes + 3) / 4; word++) MAC(0x10) = frame[word];
    MAC(0x38) = 1;
    return ERR_OK;
}

static void receive(struct netif *netif) {
    while (MAC(0x34) != 0) {
        unsigned words, word, bytes;
        struct pbuf *p;
        frame[0] = MAC(0x10);
        bytes = frame[0] & 0xFFFF; /* with itself, the frame and its checksum */
        words = (bytes + 3) / 4;
        for (word = 1; word < words; word++) {
            u32_t got = MAC(0x10);
            if (word < sizeof frame / 4) frame[word] = got;
        }
        if (bytes < 6 + 14 || bytes > sizeof frame) continue;
        /* The two bytes of the length are the padding before the frame. */
        p = pbuf_alloc(PBUF_RAW, bytes - 4, PBUF_POOL);
        if (p == NULL) continue;
        pbuf_take(p, frame, bytes - 4);
        if (netif->input(p, netif) != ERR_OK) pbuf_free(p);
    }
}

static err_t begin(struct netif *netif) {
    static const u8_t address[6] = {0x02, 0, 0, 0x6C, 0x65, 0x01};
    netif->name[0] = 'e', netif->name[1] = 't';
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, address, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = send;
    REGISTER(0x400FE108) |= 1u << 30 | 1u << 28;
    MAC(0x04) = 0, MAC(0x00) = ~0u;
    MAC(0x14) = 0x6C000002, MAC(0x18) = 0x0165;
    MAC(0x1C) = 0x3F, MAC(0x0C) = 0x17;
    MAC(0x08) = 0x18, MAC(0x08) = 0x08, MAC(0x08) = 0x09;
    MAC(0x04) = 1;
    REGISTER(0xE000E104) = 1u << (42 - 32);
    return ERR_OK;
}

int main(void) {
    static struct netif netif;
    ip4_addr_t address, mask, gateway;
    struct tcp_pcb *listener;
    SYST(4) = CLOCK_HZ / 10 - 1, SYST(8) = 0, SYST(0) = 7;
    REGISTER(0x4000C030) = 0x301;
    lwip_init();
    IP4_ADDR(&address, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    netif_add(&netif, &address, &mask, &gateway, NULL, begin, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    listener = tcp_new();
    tcp_bind(listener, IP_ADDR_ANY, 7);
    tcp_accept(tcp_listen_with_backlog(listener, SLOTS), on_accepted);
    say("READY\n");
    for (;;) {
        receive(&netif);
        sys_check_timeouts();
        __asm volatile("cpsid i" ::: "memory");
        if (MAC(0x34) == 0) __asm volatile("dsb\n wfi");
        __asm volatile("cpsie i" ::: "memory");
    }
}

extern u32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

void reset(void) {
    u32_t *from = data_load, *to = data_start;
    while (to < data_end) *to++ = *from++;
    for (to = bss_start; to < bss_end;) *to++ = 0;
    main();
}

static void fault(void) {
    say("FAULT\n");
    for (;;) {}
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + 44])(void) = {
    [0] = (void (*)(void))stack_top, [1] = reset, [2] = fault, [3] = fault, [4] = fault, [5] = fault,
    [6] = fault, [15] = on_tick, [16 + 42] = on_ethernet,
};
