/* Names for the compiler extensions this project uses; no other file spells one.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_COMPILER_H
#define MIEN_BASE_COMPILER_H

/* The result must be used. */
#define MIEN_CHECK __attribute__((warn_unused_result))

/* printf-like: argument `fmt` is the format, `first` the first value (0 for a va_list). */
#define MIEN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* Before a loop: element i is read before it is written and by no other iteration, so the loop may
 * be vectorised although its pointers may be equal. */
#ifdef __clang__
#define MIEN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define MIEN_INDEPENDENT _Pragma("GCC ivdep")
#endif

/* A function whose calls with constants are to be compiled for these constants. */
#define MIEN_INLINE static inline __attribute__((always_inline))

/* Before a loop of constant length: unroll it `n` times, so that what it indexes stays in
 * registers. */
#ifdef __clang__
#define MIEN_UNROLL(n) MIEN_PRAGMA(clang loop unroll(full))
#else
#define MIEN_UNROLL(n) MIEN_PRAGMA(GCC unroll n)
#endif
#define MIEN_PRAGMA(text) _Pragma(#text)

/* The name of the copy that is compiled for one instruction set: meson gives MIEN_SET_NAME. */
#define MIEN_SET(name) MIEN_SET_JOIN(name, MIEN_SET_NAME)
#define MIEN_SET_JOIN(name, set) MIEN_SET_PASTE(name, set)
#define MIEN_SET_PASTE(name, set) name##_##set

/* An unsigned integer of 128 bits. */
__extension__ typedef unsigned __int128 mien_u128;

/* A signed integer of 128 bits. */
__extension__ typedef __int128 mien_i128;

/* Zero bits before the first one of v, which is not 0. */
static inline unsigned mien_leading_zeros(unsigned long long v)
{
    return (unsigned)__builtin_clzll(v);
}

#endif
