/* What a fuzz target defines. A target aborts when a promise does not hold. */
#ifndef MIEN_TESTS_FUZZ_FUZZ_H
#define MIEN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Aborts unless `fact`; unlike assert, a finding and not a bug of the caller. */
static inline void fuzz_require(int fact)
{
    if (!fact)
        abort();
}

#endif
