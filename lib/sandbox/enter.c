/* Confines the calling process; see sandbox.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static enum cs_rc fatal(struct cs_err *err, const char *what)
{
    return cs_err_code(err, CS_FATAL, "sandbox.enter", "%s: %s", what, strerror(errno));
}

static enum cs_rc set_limits(uint64_t memory_bytes, unsigned cpu_seconds, struct cs_err *err)
{
    const struct {
        int what;
        rlim_t value;
    } limits[] = {{RLIMIT_AS, memory_bytes},
                  {RLIMIT_CPU, cpu_seconds},
                  {RLIMIT_NPROC, 0},
                  {RLIMIT_NOFILE, 16},
                  {RLIMIT_CORE, 0}};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct rlimit r = {limits[i].value, limits[i].value};
        /* NPROC 0 would make setuid itself fail for root on some kernels: it is set after it. */
        if (setrlimit((__rlimit_resource_t)limits[i].what, &r) != 0)
            return fatal(err, "setrlimit");
    }
    return CS_OK;
}

/* Best effort as an ordinary user; as root both must work. */
static enum cs_rc drop_root(struct cs_err *err)
{
    if (geteuid() != 0)
        return CS_OK;
    /* No network, no IPC with others: their own empty namespaces. Containers may forbid it; seccomp
     * forbids sockets all the same. */
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) != 0)
        errno = 0;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return fatal(err, "dropping root");
    return CS_OK;
}

/* Landlock with no rule at all: no path can be opened any more. Kernels before 5.13 lack it. */
static void forbid_paths(void)
{
    const struct landlock_ruleset_attr attr = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                             LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG};
    const int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (fd < 0)
        return;
    syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
}

static enum cs_rc filter_calls(struct cs_err *err)
{
    static const int allowed[] = {
        SCMP_SYS(read),           SCMP_SYS(pread64),      SCMP_SYS(write),
        SCMP_SYS(pwrite64),       SCMP_SYS(readv),        SCMP_SYS(writev),
        SCMP_SYS(lseek),          SCMP_SYS(fstat),        SCMP_SYS(newfstatat),
        SCMP_SYS(close),          SCMP_SYS(brk),          SCMP_SYS(munmap),
        SCMP_SYS(mremap),         SCMP_SYS(madvise),      SCMP_SYS(futex),
        SCMP_SYS(ftruncate),      SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(exit),           SCMP_SYS(exit_group),   SCMP_SYS(getrandom),
        SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday), SCMP_SYS(time),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid),       SCMP_SYS(gettid),
        SCMP_SYS(sched_yield)};
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = ctx == NULL ? -ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    /* Memory may be mapped and protected, never as code. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
    /* Libraries look for files that are not there; "no" is an answer they can live with. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    if (rc == 0)
        return CS_OK;
    errno = -rc;
    return fatal(err, "seccomp");
}

enum cs_rc cs_sandbox_enter(uint64_t memory_bytes, unsigned cpu_seconds, struct cs_err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return fatal(err, "prctl");
    CS_TRY(drop_root(err));
    CS_TRY(set_limits(memory_bytes, cpu_seconds, err));
    forbid_paths();
    return filter_calls(err);
}
