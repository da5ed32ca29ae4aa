/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "creel-channel.h"

/* What the files of creel-init share. One thread, one epoll loop; nothing here blocks but mounting and the boot. */

/* -- init-loop.c -- */

typedef struct Watch Watch;

/* A file descriptor in the loop. fd is -1 when there is none; a zeroed Watch must be given fd = -1 first. */
struct Watch
{
  int fd;
  uint32_t events;
  bool added;
  void (*call) (Watch *watch, uint32_t events);
};

typedef struct Timer Timer;

struct Timer
{
  uint64_t at; /* CLOCK_MONOTONIC usec; 0: off */
  Timer *next;
  bool listed;
  void (*call) (Timer *timer);
};

void loop_init (void);
void loop_run (void) __attribute__ ((noreturn));
/* Waits for events (0: keeps the fd, waits for nothing). With EPOLLONESHOT each event must be asked for again. */
void watch_set (Watch *watch, uint32_t events);
/* Takes the fd out and closes it. */
void watch_close (Watch *watch);
void timer_set (Timer *timer, uint64_t usec_from_now);
void timer_stop (Timer *timer);
/* Frees when no event of the current round can refer to it any more. */
void loop_free_later (void *memory);
/* The loop looks after this port's channel; *channel may change its mind about events at any time. */
void loop_add_channel (CreelChannel *channel, int fd);

#define container_of(pointer, type, member) ((type *) (void *) ((char *) (pointer) - offsetof (type, member)))

/* -- init-console.c -- */

/* One line "creel-init: ..." on the console. */
void say (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* Writes text to a file that exists (or is created with mode when mode is not 0). Returns 0, or -1 with errno. */
int write_file (const char *path, const char *text, size_t length, mode_t mode);
/* The same for a file of ours in a directory of the image: neither is a link afterwards. -1 with ELOOP when the directory is one. */
int write_own_file (const char *directory, const char *name, const char *text, size_t length, mode_t mode);
/* The whole file, NUL-terminated, at most max bytes; NULL with errno. */
char *read_file (const char *path, size_t max, size_t *ret_length);
/* mkdir -p. Returns 0, or -1 with errno. */
int make_directories (const char *path, mode_t mode);

/* -- init-mount.c -- */

/* Mounts the kernel's file systems, loads the modules, mounts the root and moves into it. Says on the console what fails; returns a
 * text for the host ("" when all went well): the guest goes on, so that the host can be told. */
const char *mount_everything (void);
/* Mounts a shared directory. Returns NULL or a text that says what failed (static buffer). */
const char *mount_share (const char *tag, const char *path, bool read_only);
/* Makes all disks read-only. */
void unmount_everything (void);
/* What the root is made of: directories. -1 when there is no root. */
void mount_get_layers (int *ret_upper, int *ret_lower);
/* Bytes in use on the disk. */
uint64_t mount_get_used (void);
/* The paths of all mount points below the root, relative to it. To be freed with mount_free_list(). NULL: memory is gone, or /proc. */
char **mount_list (size_t *ret_n);
void mount_free_list (char **list, size_t n);

/* -- init-control.c -- */

void control_start (int port, const char *boot_problem);

/* -- init-configure.c: what /configure said, and its records -- */

typedef struct
{
  char *bytes; /* "key=value\0..." */
  size_t length;
  size_t size;
} Records;

bool records_add (Records *records, const uint8_t *bytes, size_t n);
/* The next value of key ("" for any key: then *ret_key); start with *at = 0. NULL when there are no more. */
const char *records_next (const Records *records, size_t *at, const char *key);
const char *records_get (const Records *records, const char *key);
void records_clear (Records *records);

/* Applies a /configure. Returns NULL or a text that says what failed. Takes the records. */
const char *configure_apply (Records *records);
/* text: microseconds since the epoch; nothing happens when the clock is right to half a second. */
void clock_set (const char *text);
const Records *configure_get (void);

/* -- init-user.c -- */

typedef struct
{
  uid_t uid;
  gid_t gid;
  gid_t groups[64];
  size_t n_groups;
  char name[64];
  char home[256];
  char shell[256];
} User;

/* spec: "", name, uid, name:group, uid:gid. "" is the owner (uid 1000). False: no such user. */
bool user_find (const char *spec, User *ret_user);
/* Makes uid a user of the image, with a home, when it has none. */
void user_ensure (uid_t uid);

/* -- init-trust.c -- */

/* Puts the certificates into the image's bundles instead of those of the last time, and into a key store of Java beside them. NULL or what
 * failed. */
const char *trust_apply (const char *pem);
/* What a bundle is called while it is written, appended to its name. */
#define TRUST_NEW ".creel"
/* How much of a bundle is not ours. */
size_t trust_cut (const char *text, size_t length);
/* The certificate that trust_apply() was given last, to be freed; NULL: none. */
char *trust_read (void);
/* The bundles that are there, as paths relative to the root and without links. Returns how many; each is to be freed. */
size_t trust_find_bundles (char **ret_paths, size_t max);

/* -- init-pem.c -- */

typedef struct
{
  const char *begin; /* "-----BEGIN" */
  const char *end;   /* behind "-----" */
  size_t n_bytes;
} PemBlock;

/* The next block of that label after *block (at first only its end is set: where to begin) and before end, its bytes decoded to bytes, which has room
 * for three quarters of the text. What is not base64 is passed over. False: there are no more. */
bool pem_next (PemBlock *block, const char *label, const char *end, uint8_t *bytes);
/* Takes out of text all that is the first certificate of pem, with the comment before it. Returns the new length. */
size_t pem_cut (char *text, size_t length, const char *pem);

/* -- init-java.c -- */

/* The certificates of two PEM texts as a key store of Java (to be freed). What is no certificate is left out. NULL: memory is gone. */
uint8_t *java_store_build (const char *text, size_t length, const char *pem, size_t *ret_length);

/* -- init-session.c -- */

void session_exec (CreelStream *stream, uint64_t id, Records *records);
bool session_prepare (CreelStream *stream, uint64_t id);
int session_attach_input (CreelStream *stream, uint64_t id);
int session_attach_output (CreelStream *stream, uint64_t id, bool error);
int session_signal (uint64_t id, int number);
int session_resize (uint64_t id, unsigned rows, unsigned columns);
int session_hangup (uint64_t id);
void session_hangup_all (void);
void session_reaped (pid_t pid, int status);
/* While the sandbox is saved its programs do not run. -1, errno: there are no control groups. */
int session_freeze_all (bool freeze);
/* Waits until all of them stand still, at most that long. What waits for a file system may take longer; it writes nothing then. */
void session_wait_frozen (unsigned milliseconds);
/* For session_exec: answers a request with records and ends it. */
void control_answer (CreelStream *stream, int status, const char *text);

/* -- init-save.c -- */

/* Answers GET /save. */
void save_start (CreelStream *stream);
bool save_is_running (void);
/* Gives up what runs, and lets the programs go on. */
void save_stop (void);
void save_reaped (pid_t pid, int status);

/* -- init-child.c -- */

typedef struct
{
  char **arguments;
  char **environment;
  const char *cwd;
  bool cwd_is_asked; /* then there is no other */
  const User *user;
  const char *path;
  bool tty;
  int fds[3];     /* stdin, stdout, stderr; tty: the slave in [0] */
  int cgroup_fd;  /* its cgroup.procs, or -1 */
  int status_fd;  /* an int is written here when exec fails: errno, or -errno for cwd */
} Child;

void child_run (const Child *child) __attribute__ ((noreturn));

/* -- init-start.c -- */

/* Starts what an exec's records say, in the control group of that path (NULL: in ours). fds, status_fd: as in Child. Returns the process, or -1. */
pid_t child_start (const char *cgroup, const Records *records, const User *user, bool tty, const int fds[3], int status_fd);

/* -- init-reap.c -- */

void reap_start (void);
void shutdown_start (void);

/* -- init-network.c, init-redirect.c -- */

void network_start (void);
/* Steers every TCP connection that leaves 127/8 and ::1 to listener (0: v4, 1: v6), DNS to the resolver's. Returns 0 or -1, errno. */
int redirect_start (const int tcp[2], const int dns_tcp[2], const int dns_udp[2]);

/* -- init-connection.c -- */

/* A TCP socket and the stream that carries its bytes. */
typedef struct
{
  Watch watch;
  CreelStream *stream;
  uint32_t wanted;
  /* init-forward.c: on the way to a server of the guest */
  unsigned short port;
  int family;
  bool connecting;
  bool ended; /* the other end sends no more */
} Connection;

/* Takes fd (-1: set later); NULL when there are too many, fd stays the caller's then. Its stream is set by the caller. */
Connection *connection_new (int fd);
/* reset: the program sees ECONNRESET, not an end. */
void connection_free (Connection *connection, bool reset);
/* Resets both sides and frees it. */
void connection_fail (Connection *connection);
extern const CreelStreamHandler connection_handler;
void connection_event (Watch *watch, uint32_t events);

/* -- init-forward.c -- */

/* Answers CONNECT localhost:PORT of the control channel. */
void forward_connect (CreelStream *stream, const char *authority);

/* -- init-egress.c -- */

void egress_start (int port);

/* -- init-resolver.c, init-names.c -- */

void resolver_start (int ret_tcp[2], int ret_udp[2]);

void names_set_hostname (const char *hostname);
/* The name behind an address of ours (network order), or NULL. */
const char *names_find (uint32_t address);
/* Answers one DNS message. Returns the answer's length, 0 for none. answer has room for DNS_ANSWER_MAX bytes. */
#define DNS_ANSWER_MAX 1024
size_t names_answer (const uint8_t *query, size_t length, uint8_t answer[DNS_ANSWER_MAX]);
