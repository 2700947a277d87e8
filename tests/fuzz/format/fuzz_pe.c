/* Executables from hostile bytes: both implementations survive, and agree on the digest of what
 * both accept. SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "digest/digest.h"
#include "format/format.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const algorithms[] = {"sha256"};
    struct cs_inspected in = {0};
    struct cs_second_digest second;
    CS_AUTO_FD fd = memfd_create("pe", MFD_CLOEXEC);
    CS_AUTO_FD out = memfd_create("signed", MFD_CLOEXEC);
    CS_AUTO(cs_arena) a = cs_arena_new(32 << 20);
    assert(fd >= 0 && out >= 0 && a != NULL);
    assert(cs_fd_write_all(fd, data, size, NULL) == CS_OK);
    const enum cs_rc first = cs_format_pe.inspect(fd, algorithms, 1, a, &in, NULL);
    const enum cs_rc other = cs_second_pe_digest(fd, "sha256", &second, NULL);
    if (first == CS_OK && other == CS_OK) {
        assert(in.size == size && second.size == size);
        assert(memcmp(in.sha256, second.sha256, sizeof(in.sha256)) == 0);
        assert(in.digests[0].len == second.image_len);
        assert(memcmp(in.digests[0].bytes, second.image, second.image_len) == 0);
    }
    if (first == CS_OK)
        cs_ignore(cs_format_pe.assemble(fd, out, cs_bytes("\x30\x00", 2), false, NULL),
                  "it may be refused; it may not crash");
    return 0;
}
