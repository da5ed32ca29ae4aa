/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORDS_MAX (4 * 1024 * 1024)
#define CLOCK_TOLERANCE 500000 /* microseconds */

static Records current;

bool
records_add (Records *records, const uint8_t *bytes, size_t n)
{
  if (n > RECORDS_MAX - records->length)
    return false;
  if (records->size - records->length < n + 1)
    {
      size_t size = records->length + n + 1 < 1024 ? 4096 : (records->length + n + 1) * 2;
      char *grown = realloc (records->bytes, size);

      if (grown == NULL)
        return false;
      records->bytes = grown;
      records->size = size;
    }
  memcpy (records->bytes + records->length, bytes, n);
  records->length += n;
  records->bytes[records->length] = '\0'; /* so that a last record without its NUL ends too */
  return true;
}

const char *
records_next (const Records *records, size_t *at, const char *key)
{
  size_t key_length = strlen (key);

  while (*at < records->length)
    {
      const char *record = records->bytes + *at;

      *at += strlen (record) + 1;
      if (strncmp (record, key, key_length) == 0 && record[key_length] == '=')
        return record + key_length + 1;
    }
  return NULL;
}

const char *
records_get (const Records *records, const char *key)
{
  size_t at = 0;

  return records_next (records, &at, key);
}

void
records_clear (Records *records)
{
  free (records->bytes);
  *records = (Records){ 0 };
}

const Records *
configure_get (void)
{
  return &current;
}

void
clock_set (const char *text)
{
  unsigned long long usec = strtoull (text, NULL, 10);
  struct timespec now = { .tv_sec = (time_t) (usec / 1000000), .tv_nsec = (long) (usec % 1000000 * 1000) }, ours;

  clock_gettime (CLOCK_REALTIME, &ours);
  /* what the way here took is no reason to jump */
  if (llabs ((long long) usec - ((long long) ours.tv_sec * 1000000 + ours.tv_nsec / 1000)) < CLOCK_TOLERANCE)
    return;
  if (usec > 0 && clock_settime (CLOCK_REALTIME, &now) < 0)
    say ("cannot set the clock: %s", strerror (errno));
}

static void
replace_file (const char *path, const char *text)
{
  struct stat info;

  /* docker-made images have links or mount points here */
  if (lstat (path, &info) == 0 && S_ISLNK (info.st_mode))
    unlink (path);
  if (write_file (path, text, strlen (text), 0644) < 0)
    say ("cannot write %s: %s", path, strerror (errno));
}

static void
set_names (const char *hostname)
{
  char text[1024];

  if (sethostname (hostname, strlen (hostname)) < 0)
    say ("cannot set the host name: %s", strerror (errno));
  names_set_hostname (hostname);
  snprintf (text, sizeof text, "%s\n", hostname);
  replace_file ("/etc/hostname", text);
  snprintf (text, sizeof text,
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.0.1 %s\n"
            "127.0.0.1 host.docker.internal gateway.docker.internal host.creel.internal model.creel.internal model-runner.docker.internal\n",
            hostname);
  replace_file ("/etc/hosts", text);
  replace_file ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:2\n");
}

/* TAG:ro|rw:PATH */
static const char *
mount_record (const char *record)
{
  char tag[64];
  const char *mode = strchr (record, ':');
  const char *path = mode == NULL ? NULL : strchr (mode + 1, ':');

  if (path == NULL || (size_t) (mode - record) >= sizeof tag)
    return "a mount is TAG:ro|rw:PATH";
  memcpy (tag, record, mode - record);
  tag[mode - record] = '\0';
  return mount_share (tag, path + 1, strncmp (mode, ":ro:", 4) == 0);
}

const char *
configure_apply (Records *records)
{
  const char *value;
  const char *problem = NULL;
  size_t at = 0;
  char *end;
  unsigned long uid;

  value = records_get (records, "time");
  if (value != NULL)
    clock_set (value);
  value = records_get (records, "hostname");
  if (value != NULL && *value != '\0' && strlen (value) <= 64)
    set_names (value);
  value = records_get (records, "owner-uid");
  uid = value == NULL ? 1000 : strtoul (value, &end, 10);
  if (uid > 0 && uid < UINT32_MAX)
    user_ensure ((uid_t) uid);
  while (problem == NULL && (value = records_next (records, &at, "mount")) != NULL)
    problem = mount_record (value);
  value = records_get (records, "ca");
  if (problem == NULL && value != NULL && *value != '\0')
    problem = trust_apply (value);
  records_clear (&current);
  current = *records;
  *records = (Records){ 0 };
  return problem;
}
