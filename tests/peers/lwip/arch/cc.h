/* The compiler and the machine. */
#define LWIP_NO_INTTYPES_H 1
#define LWIP_PLATFORM_DIAG(text)
#define LWIP_PLATFORM_ASSERT(text) for (;;) {}
#define LWIP_RAND() 4u
#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "u"
