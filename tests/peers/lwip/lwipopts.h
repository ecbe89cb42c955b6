/* lwIP without an operating system, for 4 connections with 2 KiB each way. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_UDP 0
#define LWIP_RAW 0
#define LWIP_STATS 0
#define LWIP_IPV6 0
#define IP_FRAG 0
#define IP_REASSEMBLY 0
#define ETH_PAD_SIZE 2
#define MEM_ALIGNMENT 4
#define MEM_SIZE (10 * 1024)
#define MEMP_NUM_TCP_PCB 8
#define MEMP_NUM_TCP_SEG 32
#define MEMP_NUM_PBUF 32
#define PBUF_POOL_SIZE 6
#define TCP_MSS 1460
#define TCP_WND 2048
#define TCP_SND_BUF 2048
#define TCP_SND_QUEUELEN 8
#define TCP_QUEUE_OOSEQ 0
#define LWIP_NOASSERT 1
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
