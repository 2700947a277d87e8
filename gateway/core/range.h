/* The Range header (RFC 9110, section 14): one range of bytes. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

enum range_answer { RANGE_WHOLE, RANGE_PART, RANGE_UNSATISFIABLE };

/* A missing, malformed or multiple range asks for the whole. */
enum range_answer range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length);
