/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-share-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#error "tell the filter about this architecture"
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

/* Low half of an argument; both architectures are little endian */
#define ARGUMENT(n) ((unsigned) offsetof (struct seccomp_data, args[n]))
#define LOAD(offset) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (offset))
#define ANSWER(action) BPF_STMT (BPF_RET | BPF_K, (action))
#define REFUSE(number, error) \
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), ANSWER (SECCOMP_RET_ERRNO | (error))
/* Call `number` with mode bits in argument `n` */
#define REFUSE_MODE(number, n)                                                                  \
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), LOAD (ARGUMENT (n)),                      \
    BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, S_ISUID | S_ISGID, 0, 1), ANSWER (SECCOMP_RET_ERRNO | EPERM), \
    ANSWER (SECCOMP_RET_ALLOW)
/* The same when argument `f` has O_CREAT or O_TMPFILE; else the argument is garbage */
#define REFUSE_OPEN(number, f, n)                                                                               \
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 6), LOAD (ARGUMENT (f)),                                        \
    BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, O_CREAT | (O_TMPFILE & ~O_DIRECTORY), 0, 3), LOAD (ARGUMENT (n)),           \
    BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, S_ISUID | S_ISGID, 0, 1), ANSWER (SECCOMP_RET_ERRNO | EPERM), \
    ANSWER (SECCOMP_RET_ALLOW)

bool
creel_share_filter_install (void)
{
  struct sock_filter filter[] = {
    LOAD (offsetof (struct seccomp_data, arch)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0),
    ANSWER (SECCOMP_RET_KILL_PROCESS),
    LOAD (offsetof (struct seccomp_data, nr)),
#ifdef __x86_64__
    BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* x32 */
    ANSWER (SECCOMP_RET_KILL_PROCESS),
#endif
    REFUSE (__NR_openat2, ENOSYS),
    REFUSE (__NR_io_uring_setup, ENOSYS),
    REFUSE (__NR_ptrace, EPERM),
    REFUSE (__NR_process_vm_readv, EPERM),
    REFUSE (__NR_process_vm_writev, EPERM),
    REFUSE (__NR_pidfd_getfd, EPERM),
    REFUSE (__NR_keyctl, EPERM),
    REFUSE (__NR_add_key, EPERM),
    REFUSE (__NR_bpf, EPERM),
    REFUSE (__NR_userfaultfd, EPERM),
#ifdef __NR_chmod
    REFUSE_MODE (__NR_chmod, 1),
    REFUSE_MODE (__NR_creat, 1),
    REFUSE_MODE (__NR_mkdir, 1),
    REFUSE_MODE (__NR_mknod, 1),
    REFUSE_OPEN (__NR_open, 1, 2),
#endif
    REFUSE_MODE (__NR_fchmod, 1),
    REFUSE_MODE (__NR_fchmodat, 2),
    REFUSE_MODE (__NR_fchmodat2, 2),
    REFUSE_MODE (__NR_mkdirat, 2),
    REFUSE_MODE (__NR_mknodat, 2),
    REFUSE_OPEN (__NR_openat, 2, 3),
    ANSWER (SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };

  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
