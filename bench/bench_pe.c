/* The format module alone, for bench/run: format FILE | inspect FILE | digest FILE | assemble IN
 * OUT.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "digest/digest.h"
#include "format/format.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* As large as a real signature with its timestamp; the bytes do not matter here. */
static const uint8_t signature[8192] = {0x30, 0x82, 0x1f, 0xfc};

static enum cs_rc run(int argc, char **argv, struct cs_err *err)
{
    static const char *const algorithms[] = {"sha256"};
    struct cs_inspected in = {0};
    struct cs_second_digest d;
    CS_AUTO(cs_arena) a = cs_arena_new(64 << 20);
    CS_AUTO_FD fd = argc > 2 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
    CS_AUTO_FD out = argc > 3 ? open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (a == NULL || fd < 0)
        return cs_err_set(err, CS_INVALID, "usage: bench-pe inspect|digest FILE, assemble IN OUT");
    in.leave_out_sha256 = strcmp(argv[1], "format") == 0;
    if (strcmp(argv[1], "inspect") == 0 || in.leave_out_sha256)
        return cs_format_pe.inspect(fd, algorithms, 1, a, &in, err);
    if (strcmp(argv[1], "digest") == 0)
        return cs_second_pe_digest(fd, "sha256", &d, err);
    return cs_format_pe.assemble(fd, out, cs_bytes(signature, sizeof(signature)), false, err);
}

int main(int argc, char **argv)
{
    struct cs_err err = {0};
    if (run(argc, argv, &err) == CS_OK)
        return 0;
    fprintf(stderr, "bench-pe: %s\n", err.msg);
    return 1;
}
