/*
 * compiler -- the only place that knows compiler attributes, and the assertion of the house.
 *
 * REQUIRE(cond) states what can only be false by a bug of ours. It is checked in release builds
 * too: it logs and aborts, because restarting is safe by design (positions live in the target's
 * transaction) and limping is not.
 */
#ifndef RH_COMMON_COMPILER_H
#define RH_COMMON_COMPILER_H

#include <stddef.h>

#define RH_MUST_CHECK          __attribute__((warn_unused_result))
#define RH_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define RH_NORETURN            __attribute__((noreturn))
#define RH_UNUSED              __attribute__((unused))
/* Releases a local handle when its scope ends; `release` takes a pointer to the variable. */
#define RH_AUTO(release) __attribute__((cleanup(release)))
/* True when a + b does not overflow; the sum goes to *sum. */
#define RH_ADD(a, b, sum)     (!__builtin_add_overflow((a), (b), (sum)))
#define RH_MUL(a, b, product) (!__builtin_mul_overflow((a), (b), (product)))

#define RH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define REQUIRE(cond) ((cond) ? (void)0 : require_failed(#cond, __FILE__, __LINE__))

RH_NORETURN void require_failed(const char *condition, const char *file, int line);

#endif
