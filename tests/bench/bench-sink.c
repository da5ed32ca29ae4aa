/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-sink ADDRESS PORT - an origin that costs nothing: takes a body of HTTP/1.1 with a Content-Length and answers 200; a GET /N is
 * answered with N bytes. One connection at a time. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[256 * 1024];

static void
put (int fd, const char *bytes, size_t n)
{
  while (n > 0)
    {
      ssize_t done = write (fd, bytes, n);

      if (done <= 0)
        return;
      bytes += done;
      n -= (size_t) done;
    }
}

static void
serve (int fd)
{
  char head[16384];
  size_t length = 0;
  char *end = NULL;
  const char *at;
  unsigned long long left = 0, size = 0;
  char text[128];
  ssize_t n;

  while (end == NULL && length < sizeof head - 1 && (n = read (fd, head + length, sizeof head - 1 - length)) > 0)
    {
      length += (size_t) n;
      head[length] = '\0';
      end = strstr (head, "\r\n\r\n");
    }
  if (end == NULL)
    return;
  at = strcasestr (head, "\r\ncontent-length:");
  if (at != NULL && at < end)
    left = strtoull (at + 17, NULL, 10);
  left -= length - (size_t) (end + 4 - head);
  while (left > 0 && (n = read (fd, buffer, sizeof buffer)) > 0)
    left -= (unsigned long long) n;
  if (strncmp (head, "GET /", 5) == 0)
    size = strtoull (head + 5, NULL, 10);
  snprintf (text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n", size);
  put (fd, text, strlen (text));
  memset (buffer, 0, sizeof buffer);
  for (; size > 0; size -= size < sizeof buffer ? size : sizeof buffer)
    put (fd, buffer, size < sizeof buffer ? size : sizeof buffer);
}

int
main (int argc, char **argv)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  int one = 1, fd = socket (AF_INET, SOCK_STREAM, 0);

  if (argc != 3 || inet_pton (AF_INET, argv[1], &address.sin_addr) != 1)
    return 2;
  signal (SIGPIPE, SIG_IGN);
  address.sin_port = htons ((unsigned short) atoi (argv[2]));
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) < 0 || listen (fd, 8) < 0)
    {
      perror ("bench-sink");
      return 1;
    }
  while (1)
    {
      int connection = accept (fd, NULL, NULL);

      if (connection < 0)
        continue;
      serve (connection);
      close (connection);
    }
}
