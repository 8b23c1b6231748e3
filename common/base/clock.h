/* The monotonic clock, for shells and tools. Cores take now_ms as a parameter.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_CLOCK_H
#define MIEN_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed moment; never goes back. */
uint64_t mien_clock_ms(void);

/* CPU seconds that this thread has used. */
double mien_clock_thread_seconds(void);

/* Seconds since 1970, for certificates and stamps only: no decision on safety uses it. */
int64_t mien_clock_unix_s(void);

#endif
