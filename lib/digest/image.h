/* What the second implementation knows of a PE image. Inside lib/digest only.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "digest/digest.h"

struct second_image {
    uint64_t size;
    struct {
        uint64_t at;
        uint64_t len;
    } hole[2];           /* CheckSum, certificate directory entry */
    uint64_t table;      /* certificate table, or the file's end */
    uint64_t table_size; /* 0: not signed */
};

enum cs_rc second_image_read(int fd, struct second_image *im, struct cs_err *err) CS_MUST_CHECK;
