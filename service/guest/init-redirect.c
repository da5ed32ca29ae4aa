/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A BPF program at the point where the kernel looks for the socket of a new connection or a datagram. It needs neither netfilter nor
 * its modules, costs nothing per packet of a connection, and keeps the destination: getsockname() of what we accept is the
 * address that the program wanted. */

enum { SLOT_TCP, SLOT_DNS_TCP, SLOT_DNS_UDP, SLOTS_PER_FAMILY, SLOTS = 2 * SLOTS_PER_FAMILY };

#define OP(opcode, to, from, offset, value) \
  ((struct bpf_insn){ .code = (opcode), .dst_reg = (to), .src_reg = (from), .off = (short) (offset), .imm = (int) (value) })
#define MOV(to, value) OP (BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define MOVR(to, from) OP (BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define ADD(to, value) OP (BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value)
#define AND(to, value) OP (BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, value)
#define LOAD(to, field) OP (BPF_LDX | BPF_MEM | BPF_W, to, BPF_REG_6, offsetof (struct bpf_sk_lookup, field), 0)
#define CALL(function) OP (BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define JEQ(reg, value, skip) OP (BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value)
#define JNE(reg, value, skip) OP (BPF_JMP | BPF_JNE | BPF_K, reg, 0, skip, value)
#define JUMP(skip) OP (BPF_JMP | BPF_JA, 0, 0, skip, 0)
#define EXIT() OP (BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int
bpf (int command, union bpf_attr *attributes)
{
  return (int) syscall (SYS_bpf, command, attributes, sizeof *attributes);
}

static int
load_program (int map)
{
  /* r6 context, r7 slot */
  const struct bpf_insn program[] = {
    /*  0 */ MOVR (BPF_REG_6, BPF_REG_1),
    /*  1 */ LOAD (BPF_REG_1, family),
    /*  2 */ JNE (BPF_REG_1, AF_INET, 6), /* to 9 */
    /*  3 */ MOV (BPF_REG_7, 0),
    /*  4 */ LOAD (BPF_REG_2, local_ip4),
    /*  5 */ JEQ (BPF_REG_2, 0x010012c6, 36), /* 198.18.0.1, our own; to 42 */
    /*  6 */ AND (BPF_REG_2, 0xff),
    /*  7 */ JEQ (BPF_REG_2, 127, 34), /* to 42 */
    /*  8 */ JUMP (11),                /* to 20 */
    /*  9 */ MOV (BPF_REG_7, SLOTS_PER_FAMILY),
    /* 10 */ LOAD (BPF_REG_2, local_ip6[0]),
    /* 11 */ JNE (BPF_REG_2, 0, 8), /* to 20 */
    /* 12 */ LOAD (BPF_REG_2, local_ip6[1]),
    /* 13 */ JNE (BPF_REG_2, 0, 6),
    /* 14 */ LOAD (BPF_REG_2, local_ip6[2]),
    /* 15 */ JNE (BPF_REG_2, 0, 4),
    /* 16 */ LOAD (BPF_REG_2, local_ip6[3]),
    /* 17 */ JEQ (BPF_REG_2, 0x01000000, 24), /* ::1; to 42 */
    /* 18 */ JEQ (BPF_REG_2, 0, 23),
    /* 19 */ JUMP (0),
    /* 20 */ LOAD (BPF_REG_1, protocol),
    /* 21 */ LOAD (BPF_REG_2, local_port),
    /* 22 */ JEQ (BPF_REG_1, IPPROTO_UDP, 4), /* to 27 */
    /* 23 */ JNE (BPF_REG_1, IPPROTO_TCP, 18), /* to 42 */
    /* 24 */ JNE (BPF_REG_2, 53, 4),          /* to 29 */
    /* 25 */ ADD (BPF_REG_7, SLOT_DNS_TCP),
    /* 26 */ JUMP (2), /* to 29 */
    /* 27 */ JNE (BPF_REG_2, 53, 14), /* to 42 */
    /* 28 */ ADD (BPF_REG_7, SLOT_DNS_UDP),
    /* 29 */ OP (BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_7, -4, 0),
    /* 30 */ MOVR (BPF_REG_2, BPF_REG_10),
    /* 31 */ ADD (BPF_REG_2, -4),
    /* 32 */ OP (BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
    /* 33 */ OP (0, 0, 0, 0, 0),
    /* 34 */ CALL (BPF_FUNC_map_lookup_elem),
    /* 35 */ JEQ (BPF_REG_0, 0, 6), /* to 42 */
    /* 36 */ MOVR (BPF_REG_7, BPF_REG_0),
    /* 37 */ MOVR (BPF_REG_1, BPF_REG_6),
    /* 38 */ MOVR (BPF_REG_2, BPF_REG_0),
    /* 39 */ MOV (BPF_REG_3, 0),
    /* 40 */ CALL (BPF_FUNC_sk_assign),
    /* 41 */ JUMP (2), /* to 44 */
    /* 42 */ MOV (BPF_REG_0, SK_PASS),
    /* 43 */ EXIT (),
    /* 44 */ MOVR (BPF_REG_1, BPF_REG_7),
    /* 45 */ CALL (BPF_FUNC_sk_release),
    /* 46 */ MOV (BPF_REG_0, SK_PASS),
    /* 47 */ EXIT (),
  };
  static char log[16384];
  union bpf_attr attributes = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP };
  int fd;

  attributes.expected_attach_type = BPF_SK_LOOKUP;
  attributes.insns = (uintptr_t) program;
  attributes.insn_cnt = sizeof program / sizeof program[0];
  attributes.license = (uintptr_t) "LGPL";
  fd = bpf (BPF_PROG_LOAD, &attributes);
  if (fd < 0 && errno != EPERM && errno != ENOSYS)
    {
      int code = errno;

      attributes.log_buf = (uintptr_t) log;
      attributes.log_size = sizeof log;
      attributes.log_level = 1;
      fd = bpf (BPF_PROG_LOAD, &attributes);
      if (fd < 0)
        say ("redirect: the kernel refuses the program: %.300s", strlen (log) > 300 ? log + strlen (log) - 300 : log);
      errno = code;
    }
  return fd;
}

static int
put_socket (int map, uint32_t slot, int socket_fd)
{
  union bpf_attr attributes = { .map_fd = (uint32_t) map };
  uint64_t value = (uint64_t) socket_fd;

  if (socket_fd < 0)
    return 0;
  attributes.key = (uintptr_t) &slot;
  attributes.value = (uintptr_t) &value;
  attributes.flags = BPF_ANY;
  return bpf (BPF_MAP_UPDATE_ELEM, &attributes);
}

int
redirect_start (const int tcp[2], const int dns_tcp[2], const int dns_udp[2])
{
  union bpf_attr attributes = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 8, .max_entries = SLOTS };
  int map = bpf (BPF_MAP_CREATE, &attributes);
  int network = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int program;

  if (map < 0 || network < 0)
    return -1;
  for (uint32_t i = 0; i < 2; i++)
    if (put_socket (map, i * SLOTS_PER_FAMILY + SLOT_TCP, tcp[i]) < 0 ||
        put_socket (map, i * SLOTS_PER_FAMILY + SLOT_DNS_TCP, dns_tcp[i]) < 0 ||
        put_socket (map, i * SLOTS_PER_FAMILY + SLOT_DNS_UDP, dns_udp[i]) < 0)
      return -1;
  program = load_program (map);
  if (program < 0)
    return -1;
  memset (&attributes, 0, sizeof attributes);
  attributes.link_create.prog_fd = (uint32_t) program;
  attributes.link_create.target_fd = (uint32_t) network;
  attributes.link_create.attach_type = BPF_SK_LOOKUP;
  /* all of these stay open as long as this process: closing the link detaches */
  return bpf (BPF_LINK_CREATE, &attributes) < 0 ? -1 : 0;
}
