/* Guards that test builds can take out one at a time, to prove that a test notices.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* CS_GUARD("name") is true, always, except in a test build (CS_TEST_BUILD) whose environment has
 * CS_GUARD_OFF=name: then it is false and the check behind it does not happen. A production build
 * contains no trace of the switch. Write:  if (CS_GUARD("envelope-signature") && !valid) refuse; */
#ifdef CS_TEST_BUILD
bool cs_guard(const char *name);
#define CS_GUARD(name) cs_guard(name)
#else
#define CS_GUARD(name) true
#endif
