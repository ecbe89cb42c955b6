/* A floor: what a line costs the kernel when the stack behind a TAP device costs nothing.
 *
 * It turns each TCP segment with data round, and keeps no state for it: its own sequence numbers are those of
 * the peer, which it takes over from the SYN, since an echo sends what it gets. It checks nothing, sends nothing
 * again, and has one system call for a frame in and one for a frame out.
 *
 *     cc -O2 -o reflect reflect.c && ./reflect TAP
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const uint8_t HARDWARE[ETH_ALEN] = {0x02, 0, 0, 0, 0, 0x01};

static uint32_t sum(const uint8_t *bytes, size_t length, uint32_t sum) {
    for (; length > 1; bytes += 2, length -= 2)
        sum += (uint32_t)bytes[0] << 8 | bytes[1];
    return length ? sum + ((uint32_t)bytes[0] << 8) : sum;
}

static uint16_t checksum(uint32_t sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* Answers an ARP request, whatever address it is for. Returns the length of the answer. */
static ssize_t arp(uint8_t *frame) {
    struct ether_arp *arp = (struct ether_arp *)(frame + ETH_HLEN);
    if (ntohs(arp->arp_op) != ARPOP_REQUEST)
        return 0;
    uint8_t asked[4];
    memcpy(asked, arp->arp_tpa, 4);
    memcpy(arp->arp_tha, arp->arp_sha, ETH_ALEN);
    memcpy(arp->arp_tpa, arp->arp_spa, 4);
    memcpy(arp->arp_sha, HARDWARE, ETH_ALEN);
    memcpy(arp->arp_spa, asked, 4);
    arp->arp_op = htons(ARPOP_REPLY);
    return ETH_HLEN + sizeof *arp;
}

/* Turns a segment round. Returns the length of the answer. */
static ssize_t tcp(uint8_t *frame) {
    struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);
    struct tcphdr *tcp = (struct tcphdr *)((uint8_t *)ip + ip->ihl * 4);
    uint16_t length = ntohs(ip->tot_len) - ip->ihl * 4 - tcp->doff * 4;
    if (ip->protocol != IPPROTO_TCP || tcp->rst || !(length || tcp->syn || tcp->fin))
        return 0;
    uint8_t *data = (uint8_t *)tcp + tcp->doff * 4;
    memmove(tcp + 1, data, length);
    tcp->doff = sizeof *tcp / 4;
    tcp->ack_seq = htonl(ntohl(tcp->seq) + length + tcp->syn + tcp->fin);
    tcp->ack = 1;
    tcp->window = htons(0xffff);
    uint16_t port = tcp->source;
    tcp->source = tcp->dest;
    tcp->dest = port;
    uint32_t address = ip->saddr;
    ip->saddr = ip->daddr;
    ip->daddr = address;
    ip->ihl = sizeof *ip / 4;
    memmove(ip + 1, tcp, sizeof *tcp + length);
    tcp = (struct tcphdr *)(ip + 1);
    ip->tot_len = htons(sizeof *ip + sizeof *tcp + length);
    ip->check = 0;
    ip->check = checksum(sum((uint8_t *)ip, sizeof *ip, 0));
    tcp->check = 0;
    uint32_t pseudo = sum((uint8_t *)&ip->saddr, 8, IPPROTO_TCP + sizeof *tcp + length);
    tcp->check = checksum(sum((uint8_t *)tcp, sizeof *tcp + length, pseudo));
    return ETH_HLEN + sizeof *ip + sizeof *tcp + length;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: reflect TAP\n");
        return 2;
    }
    int device = open("/dev/net/tun", O_RDWR);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, arguments[1], IFNAMSIZ - 1);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
        perror(arguments[1]);
        return 1;
    }
    uint8_t frame[1 << 16];
    for (;;) {
        if (read(device, frame, sizeof frame) <= 0)
            continue;
        struct ether_header *ether = (struct ether_header *)frame;
        uint16_t type = ntohs(ether->ether_type);
        ssize_t answer = type == ETHERTYPE_ARP ? arp(frame) : type == ETHERTYPE_IP ? tcp(frame) : 0;
        memcpy(ether->ether_dhost, ether->ether_shost, ETH_ALEN);
        memcpy(ether->ether_shost, HARDWARE, ETH_ALEN);
        if (answer && write(device, frame, answer) != answer)
            perror("write");
    }
}
