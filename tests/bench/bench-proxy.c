/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Load for a proxy, or without one for the server behind it: a thread for each connection, each as fast as it can.
 * bench-proxy MODE PROXY TARGET CA PATH CONNECTIONS SECONDS [PID]
 *   MODE    requests: GET on kept connections; connections: each has one GET; download: bytes of GETs; upload: bytes of PUTs of 100 MB;
 *           idle: one GET each, then nothing for so many seconds
 *   PROXY   HOST:PORT, "-" for none; TARGET: HOST:PORT; CA: of TARGET, "-" for plain HTTP
 * Prints what a second had (requests, connections, MB); median and 99 % of a request in microseconds (0 in other modes); and with PID, of the
 * process that is measured, its microseconds of processor time for each of them and the share of the time that it had a processor, in percent.
 * It costs little itself, so that it is not what is measured: certificates are verified until one was good, tickets are not asked for, a handshake
 * has a share of one group, and records are read in large pieces. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UPLOAD 100000000
#define LATENCY_MAX 4000000 /* microseconds */
#define STACK_SIZE (256 * 1024)

typedef struct
{
  int fd;
  gnutls_session_t tls; /* NULL: plain */
  char buffer[65536];
  size_t used;
  char ahead[65536]; /* of the socket, for GnuTLS, which asks for the five bytes of each header */
  size_t ahead_start, ahead_end;
} Connection;

static const char *mode, *proxy, *target, *path;
static char target_host[256];
static gnutls_certificate_credentials_t trust;
static gnutls_priority_t priority;
static struct sockaddr_in peer;
static atomic_bool counting, done, told, verified;
static atomic_ullong count, errors;
static atomic_uint latencies[LATENCY_MAX];
static atomic_uint open_connections;

static uint64_t
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void
fail (const char *what)
{
  fprintf (stderr, "bench-proxy: %s\n", what);
  exit (1);
}

/* the address of HOST:PORT */
static void
resolve (const char *where)
{
  struct addrinfo *list = NULL, hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
  char host[256];
  const char *colon = strrchr (where, ':');

  if (colon == NULL || (size_t) (colon - where) >= sizeof host)
    fail ("an address is HOST:PORT");
  memcpy (host, where, (size_t) (colon - where));
  host[colon - where] = '\0';
  if (getaddrinfo (host, colon + 1, &hints, &list) != 0)
    fail ("no such host");
  memcpy (&peer, list->ai_addr, sizeof peer);
  freeaddrinfo (list);
}

static int
dial (void)
{
  struct timeval limit = { .tv_sec = 30 };
  int fd, one = 1;

  fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &peer, sizeof peer) != 0)
    {
      close (fd);
      fd = -1;
    }
  if (fd >= 0)
    {
      setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
  return fd;
}

static ssize_t
pull (gnutls_transport_ptr_t data, void *buffer, size_t size)
{
  Connection *c = data;

  if (c->ahead_start == c->ahead_end)
    {
      ssize_t n = size >= sizeof c->ahead ? recv (c->fd, buffer, size, 0) : recv (c->fd, c->ahead, sizeof c->ahead, 0);

      if (n <= 0 || size >= sizeof c->ahead)
        return n;
      c->ahead_start = 0;
      c->ahead_end = (size_t) n;
    }
  if (size > c->ahead_end - c->ahead_start)
    size = c->ahead_end - c->ahead_start;
  memcpy (buffer, c->ahead + c->ahead_start, size);
  c->ahead_start += size;
  return (ssize_t) size;
}

static ssize_t
get (Connection *c, void *data, size_t size)
{
  uint64_t start = now ();
  ssize_t n;

  /* a session ticket that came is "again" too */
  do
    n = c->tls != NULL ? gnutls_record_recv (c->tls, data, size) : recv (c->fd, data, size, 0);
  while (c->tls != NULL && n < 0 && gnutls_error_is_fatal ((int) n) == 0 && now () - start < 20000000);
  return n;
}

static bool
put (Connection *c, const void *data, size_t size)
{
  const char *at = data;

  while (size > 0)
    {
      ssize_t n = c->tls != NULL ? gnutls_record_send (c->tls, at, size) : send (c->fd, at, size, MSG_NOSIGNAL);

      if (n <= 0)
        return false;
      at += n;
      size -= (size_t) n;
    }
  return true;
}

/* Reads a whole answer, and counts the bytes of its body where they are what is measured. */
static bool
get_answer (Connection *c, bool head_only)
{
  char *end, *length;
  unsigned long long body = 0;
  size_t here;

  c->used = 0;
  while (c->used == 0 || (end = memmem (c->buffer, c->used, "\r\n\r\n", 4)) == NULL)
    {
      ssize_t n = c->used < sizeof c->buffer - 1 ? get (c, c->buffer + c->used, sizeof c->buffer - 1 - c->used) : -1;

      if (n <= 0)
        return false;
      c->used += (size_t) n;
      c->buffer[c->used] = '\0';
    }
  if (strncmp (c->buffer, "HTTP/1.", 7) != 0 || strncmp (c->buffer + 8, " 20", 3) != 0)
    {
      if (!atomic_exchange (&told, true))
        fprintf (stderr, "bench-proxy: an answer is %.*s\n", (int) strcspn (c->buffer, "\r\n"), c->buffer);
      return false;
    }
  if (head_only || c->buffer[11] == '4')
    return true;
  *end = '\0';
  length = strcasestr (c->buffer, "\r\nContent-Length:");
  if (length == NULL)
    return false;
  body = strtoull (length + 17, NULL, 10);
  here = c->used - (size_t) (end + 4 - c->buffer);
  while (true)
    {
      ssize_t n;

      if (mode[0] == 'd' && counting)
        count += here;
      if (here >= body)
        return here == body;
      body -= here;
      n = get (c, c->buffer, sizeof c->buffer);
      if (n <= 0 || done)
        return false;
      here = (size_t) n;
    }
}

static void
hang_up (Connection *c)
{
  if (c->tls != NULL)
    gnutls_deinit (c->tls);
  c->tls = NULL;
  if (c->fd >= 0)
    close (c->fd);
  c->fd = -1;
}

static bool
call (Connection *c)
{
  char text[600];
  int status;

  c->fd = dial ();
  if (c->fd < 0)
    return false;
  if (proxy[0] != '-')
    {
      int n = snprintf (text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target);

      if (!put (c, text, (size_t) n) || !get_answer (c, true))
        return false;
    }
  if (trust == NULL)
    return true;
  gnutls_init (&c->tls, GNUTLS_CLIENT | GNUTLS_NO_TICKETS | GNUTLS_KEY_SHARE_TOP);
  gnutls_priority_set (c->tls, priority);
  gnutls_credentials_set (c->tls, GNUTLS_CRD_CERTIFICATE, trust);
  gnutls_server_name_set (c->tls, GNUTLS_NAME_DNS, target_host, strlen (target_host));
  if (!verified)
    gnutls_session_set_verify_cert (c->tls, target_host, 0);
  gnutls_transport_set_ptr2 (c->tls, c, (gnutls_transport_ptr_t) (intptr_t) c->fd);
  gnutls_transport_set_pull_function (c->tls, pull);
  c->ahead_start = c->ahead_end = 0;
  do
    status = gnutls_handshake (c->tls);
  while (status < 0 && gnutls_error_is_fatal (status) == 0 && status != GNUTLS_E_AGAIN);
  if (status == 0)
    verified = true;
  return status == 0;
}

static bool
ask (Connection *c)
{
  char text[600];
  uint64_t start = now (), took;
  int n;

  if (mode[0] == 'u')
    {
      static const char zeros[65536];
      size_t left = UPLOAD;

      n = snprintf (text, sizeof text, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", path, target, UPLOAD);
      if (!put (c, text, (size_t) n))
        return false;
      while (left > 0)
        {
          size_t part = left < sizeof zeros ? left : sizeof zeros;

          if (done || !put (c, zeros, part))
            return false;
          if (counting)
            count += part;
          left -= part;
        }
      return get_answer (c, false);
    }
  n = snprintf (text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer placeholder\r\n\r\n", path, target);
  if (!put (c, text, (size_t) n) || !get_answer (c, false))
    return false;
  if (counting && mode[0] == 'r')
    {
      took = now () - start;
      count++;
      latencies[took < LATENCY_MAX ? took : LATENCY_MAX - 1]++;
    }
  return true;
}

static void *
run (void *unused)
{
  Connection *c = calloc (1, sizeof *c);

  c->fd = -1;
  while (!done)
    {
      bool well = c->fd >= 0 || call (c);

      well = well && ask (c);
      if (well && mode[0] == 'c' && counting)
        count++;
      if (!well && !done)
        {
          errors++;
          usleep (1000);
        }
      if (!well || mode[0] == 'c')
        hang_up (c);
      else if (mode[0] == 'i')
        {
          open_connections++;
          while (!done)
            usleep (100000);
        }
    }
  hang_up (c);
  free (c);
  return NULL;
}

static unsigned
percentile (unsigned long long total, double part)
{
  unsigned long long seen = 0;

  for (unsigned i = 0; i < LATENCY_MAX; i++)
    if ((seen += latencies[i]) >= (unsigned long long) ((double) total * part) && seen > 0)
      return i;
  return 0;
}

/* in seconds; 0 for no clock */
static double
processor_time (clockid_t clock)
{
  struct timespec t = { 0 };

  if (clock != -1 && clock_gettime (clock, &t) != 0)
    fail ("the process is gone");
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int
main (int argc, char **argv)
{
  pthread_attr_t small;
  unsigned n;
  double seconds, rate, used;
  uint64_t start;
  clockid_t clock = -1;

  if (argc != 8 && argc != 9)
    fail ("bench-proxy MODE PROXY TARGET CA PATH CONNECTIONS SECONDS [PID]");
  mode = argv[1];
  proxy = argv[2];
  target = argv[3];
  path = argv[5];
  n = (unsigned) atoi (argv[6]);
  seconds = atof (argv[7]);
  snprintf (target_host, sizeof target_host, "%.*s", (int) strcspn (target, ":"), target);
  signal (SIGPIPE, SIG_IGN);
  resolve (proxy[0] == '-' ? target : proxy);
  if (argc == 9 && clock_getcpuclockid (atoi (argv[8]), &clock) != 0)
    fail ("no such process");
  if (strcmp (argv[4], "-") != 0)
    {
      gnutls_certificate_allocate_credentials (&trust);
      if (gnutls_certificate_set_x509_trust_file (trust, argv[4], GNUTLS_X509_FMT_PEM) <= 0)
        fail ("no certificate in the file");
      if (gnutls_priority_init (&priority, "NORMAL:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM", NULL) < 0)
        fail ("no such algorithms");
    }
  pthread_attr_init (&small);
  pthread_attr_setstacksize (&small, STACK_SIZE);
  pthread_attr_setdetachstate (&small, PTHREAD_CREATE_DETACHED);
  for (unsigned i = 0; i < n; i++)
    {
      pthread_t thread;

      if (pthread_create (&thread, &small, run, NULL) != 0)
        fail ("no more threads");
    }
  if (mode[0] == 'i')
    {
      for (start = now (); open_connections < n && now () - start < 60000000;)
        usleep (10000);
      printf ("%u open, %llu errors\n", open_connections, (unsigned long long) errors);
      fflush (stdout);
      usleep ((useconds_t) (seconds * 1e6));
      _exit (open_connections == n ? 0 : 1);
    }
  usleep (700000); /* until all are at work */
  start = now ();
  used = -processor_time (clock);
  counting = true;
  usleep ((useconds_t) (seconds * 1e6));
  counting = false;
  used += processor_time (clock);
  seconds = (double) (now () - start) / 1e6;
  done = true;
  rate = (double) count / seconds;
  if (mode[0] == 'd' || mode[0] == 'u')
    rate /= 1e6;
  printf ("%.1f %u %u", rate, percentile (count, 0.5), percentile (count, 0.99));
  if (argc == 9 && rate > 0)
    printf (" %.1f %.0f", used / seconds / rate * 1e6, used / seconds * 100);
  printf ("\n");
  if (errors > 0)
    fprintf (stderr, "bench-proxy: %llu errors\n", (unsigned long long) errors);
  fflush (stdout);
  _exit (count > 0 ? 0 : 1); /* threads are at work still */
}
