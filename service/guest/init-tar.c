/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init-tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK 512
#define BUFFER_SIZE (256 * 1024)
#define SPLICE_MIN (64 * 1024) /* below, a read costs less than emptying the buffer first */
#define ATTRIBUTES_MAX (64 * 1024)
#define PAX_MAX (1024 * 1024)
#define OCTAL_7 07777777u
#define OCTAL_11 077777777777u

typedef struct
{
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[8];
  char uname[32];
  char gname[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char unused[12];
} Header;

_Static_assert (sizeof (Header) == BLOCK, "a tar header is one block");

typedef struct
{
  char *bytes;
  size_t length;
  size_t size;
  bool failed;
} Pax;

static bool
fail (Tar *tar, int code)
{
  if (tar->code == 0)
    tar->code = code;
  return false;
}

static bool
flush (Tar *tar)
{
  size_t sent = 0;

  while (sent < tar->used && tar->code == 0)
    {
      ssize_t n = write (tar->fd, tar->buffer + sent, tar->used - sent);

      if (n > 0)
        sent += (size_t) n;
      else if (n < 0 && errno != EINTR)
        fail (tar, errno);
    }
  tar->used = 0;
  return tar->code == 0;
}

static bool
put (Tar *tar, const void *bytes, size_t n)
{
  const uint8_t *from = bytes;

  while (n > 0 && tar->code == 0)
    {
      size_t part = BUFFER_SIZE - tar->used;

      if (part > n)
        part = n;
      memcpy (tar->buffer + tar->used, from, part);
      tar->used += part;
      from += part;
      n -= part;
      if (tar->used == BUFFER_SIZE)
        flush (tar);
    }
  return tar->code == 0;
}

static bool
put_zeros (Tar *tar, uint64_t n)
{
  while (n > 0 && tar->code == 0)
    {
      size_t part = BUFFER_SIZE - tar->used;

      if (part > n)
        part = (size_t) n;
      memset (tar->buffer + tar->used, 0, part);
      tar->used += part;
      n -= part;
      if (tar->used == BUFFER_SIZE)
        flush (tar);
    }
  return tar->code == 0;
}

static bool
pad (Tar *tar, uint64_t size)
{
  return put_zeros (tar, (BLOCK - size % BLOCK) % BLOCK);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself too. */
static void
pax_add (Pax *pax, const char *prefix, const char *key, const void *value, size_t n)
{
  size_t rest = 1 + strlen (prefix) + strlen (key) + 1 + n + 1;
  size_t length = rest + 1;
  char number[24];
  char *at;

  while ((size_t) snprintf (number, sizeof number, "%zu", length) + rest != length)
    length++;
  if (length > PAX_MAX - pax->length)
    {
      pax->failed = true;
      return;
    }
  if (pax->size - pax->length < length + 1)
    {
      size_t size = (pax->length + length + 1) * 2;
      char *grown = realloc (pax->bytes, size);

      if (grown == NULL)
        {
          pax->failed = true;
          return;
        }
      pax->bytes = grown;
      pax->size = size;
    }
  at = pax->bytes + pax->length;
  at += sprintf (at, "%zu %s%s=", length, prefix, key);
  memcpy (at, value, n);
  at[n] = '\n';
  pax->length += length;
}

static void
pax_add_number (Pax *pax, const char *key, long long value)
{
  char text[32];

  pax_add (pax, "", key, text, (size_t) snprintf (text, sizeof text, "%lld", value));
}

static void
pax_add_attributes (Pax *pax, int fd)
{
  static char names[ATTRIBUTES_MAX];
  static char value[ATTRIBUTES_MAX];
  ssize_t length = flistxattr (fd, names, sizeof names);

  for (const char *name = names; length > 0 && name < names + length; name += strlen (name) + 1)
    {
      ssize_t n;

      /* a '=' would end the key of the pax record */
      if ((strncmp (name, "user.", 5) != 0 && strcmp (name, "security.capability") != 0) || strchr (name, '=') != NULL)
        continue;
      n = fgetxattr (fd, name, value, sizeof value);
      if (n >= 0)
        pax_add (pax, "SCHILY.xattr.", name, value, (size_t) n);
    }
}

/* In prefix and name as ustar splits them. False: it does not fit. */
static bool
set_name (Header *header, const char *name)
{
  size_t length = strlen (name);

  if (length <= sizeof header->name)
    {
      memcpy (header->name, name, length);
      return true;
    }
  if (length > sizeof header->prefix + 1 + sizeof header->name)
    return false;
  for (const char *slash = strchr (name + length - sizeof header->name - 1, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      size_t before = (size_t) (slash - name), after = length - before - 1;

      if (before > sizeof header->prefix || after == 0)
        break;
      if (before == 0 || after > sizeof header->name)
        continue;
      memcpy (header->prefix, name, before);
      memcpy (header->name, slash + 1, after);
      return true;
    }
  return false;
}

static bool
is_ascii (const char *text)
{
  for (; *text != '\0'; text++)
    if ((unsigned char) *text >= 0x80)
      return false;
  return true;
}

/* size - 1 digits and a NUL; value fits. */
static void
set_octal (char *field, size_t size, uint64_t value)
{
  field[--size] = '\0';
  while (size > 0)
    {
      field[--size] = (char) ('0' + (value & 7));
      value >>= 3;
    }
}

static void
finish_header (Header *header)
{
  unsigned sum = 0;

  memcpy (header->magic, "ustar\00000", 8);
  memset (header->checksum, ' ', sizeof header->checksum);
  for (size_t i = 0; i < BLOCK; i++)
    sum += ((const uint8_t *) header)[i];
  set_octal (header->checksum, 7, sum);
}

static bool
put_pax (Tar *tar, const Pax *pax)
{
  Header header = { .type = 'x' };

  if (pax->failed)
    return fail (tar, ENOMEM);
  if (pax->length == 0)
    return true;
  memcpy (header.name, "pax", 3);
  set_octal (header.mode, sizeof header.mode, 0644);
  set_octal (header.uid, sizeof header.uid, 0);
  set_octal (header.gid, sizeof header.gid, 0);
  set_octal (header.mtime, sizeof header.mtime, 0);
  set_octal (header.size, sizeof header.size, pax->length);
  finish_header (&header);
  return put (tar, &header, BLOCK) && put (tar, pax->bytes, pax->length) && pad (tar, pax->length);
}

bool
tar_open (Tar *tar, int fd)
{
  *tar = (Tar){ .fd = fd, .buffer = malloc (BUFFER_SIZE) };
  return tar->buffer != NULL || fail (tar, ENOMEM);
}

bool
tar_add (Tar *tar, const TarEntry *entry, int attributes_fd)
{
  uint64_t size = entry->type == '0' ? entry->size : 0;
  Header header = { .type = entry->type };
  Pax pax = { 0 };
  bool raw = false;
  bool done;

  if (!set_name (&header, entry->name))
    {
      raw = !is_ascii (entry->name);
      pax_add (&pax, "", "path", entry->name, strlen (entry->name));
      memcpy (header.name, "long", 4);
    }
  if (entry->link != NULL && strlen (entry->link) <= sizeof header.link)
    memcpy (header.link, entry->link, strlen (entry->link));
  else if (entry->link != NULL)
    {
      raw = raw || !is_ascii (entry->link);
      pax_add (&pax, "", "linkpath", entry->link, strlen (entry->link));
    }
  /* names are bytes here, whatever the reader's locale */
  if (raw)
    pax_add (&pax, "", "hdrcharset", "BINARY", 6);
  if (size > OCTAL_11)
    pax_add_number (&pax, "size", (long long) size);
  if (entry->uid > OCTAL_7)
    pax_add_number (&pax, "uid", entry->uid);
  if (entry->gid > OCTAL_7)
    pax_add_number (&pax, "gid", entry->gid);
  if (entry->mtime < 0 || entry->mtime > (int64_t) OCTAL_11)
    pax_add_number (&pax, "mtime", entry->mtime);
  if (attributes_fd >= 0)
    pax_add_attributes (&pax, attributes_fd);
  done = put_pax (tar, &pax);
  free (pax.bytes);

  set_octal (header.mode, sizeof header.mode, entry->mode & 07777);
  set_octal (header.uid, sizeof header.uid, entry->uid > OCTAL_7 ? 0 : entry->uid);
  set_octal (header.gid, sizeof header.gid, entry->gid > OCTAL_7 ? 0 : entry->gid);
  set_octal (header.size, sizeof header.size, size > OCTAL_11 ? 0 : size);
  set_octal (header.mtime, sizeof header.mtime, entry->mtime < 0 || entry->mtime > (int64_t) OCTAL_11 ? 0 : (uint64_t) entry->mtime);
  finish_header (&header);
  return done && put (tar, &header, BLOCK);
}

bool
tar_add_bytes (Tar *tar, const void *bytes, size_t n)
{
  return put (tar, bytes, n) && pad (tar, n);
}

/* Returns how much there was, at most size. */
static uint64_t
splice_file (Tar *tar, int fd, uint64_t size)
{
  uint64_t done = 0;

  while (done < size && tar->code == 0)
    {
      ssize_t n = splice (fd, NULL, tar->fd, NULL, size - done > (1u << 30) ? 1u << 30 : (size_t) (size - done), SPLICE_F_MORE);

      if (n > 0)
        done += (uint64_t) n;
      else if (n == 0)
        break;
      else if (errno == EINVAL && done == 0)
        return 0; /* not a pipe: the caller reads */
      else if (errno != EINTR)
        fail (tar, errno);
    }
  return done;
}

bool
tar_add_file (Tar *tar, int fd, uint64_t size)
{
  uint64_t done = 0;

  if (size >= SPLICE_MIN && flush (tar))
    done = splice_file (tar, fd, size);
  while (done < size && tar->code == 0)
    {
      size_t part = BUFFER_SIZE - tar->used;
      ssize_t n;

      if (part > size - done)
        part = (size_t) (size - done);
      n = read (fd, tar->buffer + tar->used, part);
      if (n == 0)
        break;
      if (n > 0)
        {
          done += (uint64_t) n;
          tar->used += (size_t) n;
        }
      else if (errno != EINTR)
        fail (tar, errno);
      if (tar->used == BUFFER_SIZE)
        flush (tar);
    }
  return put_zeros (tar, size - done) && pad (tar, size);
}

bool
tar_close (Tar *tar)
{
  return put_zeros (tar, 2 * BLOCK) && flush (tar);
}

void
tar_clear (Tar *tar)
{
  free (tar->buffer);
  tar->buffer = NULL;
}
