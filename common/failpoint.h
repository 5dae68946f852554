/*
 * failpoint -- named places where tests crash or delay a program; compiled out of release builds.
 *
 * ROWHAUL_FAILPOINTS=name=crash@n,name=sleep:ms@n : at the n-th passage (default 1) of that name
 * the process kills itself with SIGKILL, or sleeps. The table of names is failpoint.c;
 * docs/failpoints.md is printed from it. A name that is not in it ends the process with 2 at the
 * first passage of any, which is `at_start` in command_main; passing one is a bug.
 *
 * ROWHAUL_FAILPOINTS=unsafe_name=on : RH_UNSAFE("name") is true, and a rule that correctness rests
 * on is not kept. For negative controls: tests that show that breaking the rule is noticed.
 */
#ifndef RH_COMMON_FAILPOINT_H
#define RH_COMMON_FAILPOINT_H

#include <stdbool.h>
#include <stdio.h>

#ifdef RH_FAILPOINTS
#define RH_FAILPOINT(name) failpoint_pass(name)
#define RH_UNSAFE(name)    failpoint_control_is_on("unsafe_" name)
void failpoint_pass(const char *name);
bool failpoint_control_is_on(const char *name);
#else
#define RH_FAILPOINT(name) ((void)0)
#define RH_UNSAFE(name)    false
#endif

void failpoint_print_markdown(FILE *stream);

#endif
