/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A resolver that asks nobody: each name gets an address of 198.18.0.0/15 that exists in this guest only, and that the egress turns
 * back into the name. The least recently used name gives up its address when all are taken. */

#define NAMES_MAX 16384
#define BUCKETS 16384
#define FIRST_ADDRESS 0xc6120100u /* 198.18.1.0 */
#define NAME_LENGTH_MAX 253
#define TTL 30

#define TYPE_A 1
#define TYPE_PTR 12
#define TYPE_ANY 255
#define CLASS_IN 1
#define CODE_FORMAT_ERROR 1
#define CODE_NO_NAME 3
#define CODE_NOT_IMPLEMENTED 4

typedef struct
{
  char *name;
  int next_in_bucket;
  int newer;
  int older;
} Name;

static Name names[NAMES_MAX];
static int buckets[BUCKETS]; /* index + 1, 0: empty */
static int n_names;
static int newest = -1;
static int oldest = -1;
static char own_name[65];

void
names_set_hostname (const char *hostname)
{
  snprintf (own_name, sizeof own_name, "%s", hostname);
  for (char *at = own_name; *at != '\0'; at++)
    *at = (char) tolower ((unsigned char) *at);
}

static unsigned
hash (const char *name)
{
  unsigned value = 2166136261u;

  for (; *name != '\0'; name++)
    value = (value ^ (unsigned char) *name) * 16777619u;
  return value % BUCKETS;
}

static void
forget_order (int i)
{
  if (names[i].newer >= 0)
    names[names[i].newer].older = names[i].older;
  else
    newest = names[i].older;
  if (names[i].older >= 0)
    names[names[i].older].newer = names[i].newer;
  else
    oldest = names[i].newer;
}

static void
make_newest (int i)
{
  names[i].newer = -1;
  names[i].older = newest;
  if (newest >= 0)
    names[newest].newer = i;
  newest = i;
  if (oldest < 0)
    oldest = i;
}

static void
forget_name (int i)
{
  int *at = &buckets[hash (names[i].name)];

  while (*at != i + 1)
    at = &names[*at - 1].next_in_bucket;
  *at = names[i].next_in_bucket;
  free (names[i].name);
  names[i].name = NULL;
}

/* The address of a name, in host order; 0 when memory is gone. */
static uint32_t
address_of (const char *name)
{
  unsigned bucket = hash (name);
  char *copy;
  int i;

  for (i = buckets[bucket]; i != 0; i = names[i - 1].next_in_bucket)
    if (strcmp (names[i - 1].name, name) == 0)
      {
        forget_order (i - 1);
        make_newest (i - 1);
        return FIRST_ADDRESS + (uint32_t) (i - 1);
      }
  copy = strdup (name);
  if (copy == NULL)
    return 0;
  if (n_names < NAMES_MAX)
    i = n_names++;
  else
    {
      i = oldest;
      forget_order (i);
      forget_name (i);
    }
  names[i].name = copy;
  names[i].next_in_bucket = buckets[bucket];
  buckets[bucket] = i + 1;
  make_newest (i);
  return FIRST_ADDRESS + (uint32_t) i;
}

const char *
names_find (uint32_t address)
{
  uint32_t i = ntohl (address) - FIRST_ADDRESS;

  return i < (uint32_t) n_names ? names[i].name : NULL;
}

static bool
ends_with (const char *name, const char *end)
{
  size_t length = strlen (name), end_length = strlen (end);

  return length >= end_length && strcmp (name + length - end_length, end) == 0;
}

static bool
is_own (const char *name)
{
  static const char *const own[] = { "localhost", "host.docker.internal", "gateway.docker.internal", "host.creel.internal",
                                     "model.creel.internal", "model-runner.docker.internal" };

  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strcmp (name, own[i]) == 0)
      return true;
  return (own_name[0] != '\0' && strcmp (name, own_name) == 0) || ends_with (name, ".localhost");
}

/* Reads the question's name as lower-case text. Returns the offset behind it, 0 when it is no name. *ret_usable: whether it can be
 * a host's name at all. */
static size_t
read_name (const uint8_t *query, size_t length, char text[NAME_LENGTH_MAX + 1], bool *ret_usable)
{
  size_t at = 12;
  size_t out = 0;

  *ret_usable = true;
  while (true)
    {
      size_t label;

      if (at >= length)
        return 0;
      label = query[at++];
      if (label == 0)
        break;
      if (label > 63 || at + label > length || out + label + 1 > NAME_LENGTH_MAX + 1) /* no compression in a question */
        return 0;
      for (size_t i = 0; i < label; i++)
        {
          char c = (char) tolower (query[at + i]);

          if (!isascii (c) || !(isalnum ((unsigned char) c) || c == '-' || c == '_'))
            *ret_usable = false;
          text[out++] = isascii (c) && isgraph ((unsigned char) c) && c != '.' ? c : '?';
        }
      text[out++] = '.';
      at += label;
    }
  if (out == 0)
    *ret_usable = false;
  else
    out--;
  text[out] = '\0';
  return at;
}

static void
put16 (uint8_t *at, unsigned value)
{
  at[0] = (uint8_t) (value >> 8);
  at[1] = (uint8_t) value;
}

/* Appends one answer record about the question's name. */
static size_t
put_record (uint8_t *answer, size_t at, unsigned type, const uint8_t *data, size_t length)
{
  put16 (answer + at, 0xc00c);
  put16 (answer + at + 2, type);
  put16 (answer + at + 4, CLASS_IN);
  put16 (answer + at + 6, 0);
  put16 (answer + at + 8, TTL);
  put16 (answer + at + 10, (unsigned) length);
  memcpy (answer + at + 12, data, length);
  put16 (answer + 6, 1);
  return at + 12 + length;
}

/* The name behind D.C.B.A.in-addr.arpa, if it is one of ours. */
static const char *
name_behind (const char *reverse)
{
  unsigned a, b, c, d;
  int used = 0;

  if (sscanf (reverse, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &d, &c, &b, &a, &used) != 4 || used == 0 || reverse[used] != '\0' ||
      a > 255 || b > 255 || c > 255 || d > 255)
    return NULL;
  return a == 127 ? "localhost" : names_find (htonl (a << 24 | b << 16 | c << 8 | d));
}

static size_t
put_pointer (uint8_t *answer, size_t at, const char *name)
{
  uint8_t data[NAME_LENGTH_MAX + 2];
  size_t length = 0;

  while (*name != '\0')
    {
      size_t label = strcspn (name, ".");

      data[length++] = (uint8_t) label;
      memcpy (data + length, name, label);
      length += label;
      name += label;
      if (*name == '.')
        name++;
    }
  data[length++] = 0;
  return put_record (answer, at, TYPE_PTR, data, length);
}

size_t
names_answer (const uint8_t *query, size_t length, uint8_t answer[DNS_ANSWER_MAX])
{
  char name[NAME_LENGTH_MAX + 1];
  const char *pointer;
  bool usable;
  size_t end;
  unsigned type;

  if (length < 12 || (query[2] & 0x80) != 0)
    return 0;
  memset (answer, 0, 12);
  memcpy (answer, query, 2);
  answer[2] = (uint8_t) (0x80 | (query[2] & 0x79)); /* opcode and RD as they came */
  answer[3] = 0x80;                                 /* recursion available */
  if ((query[2] & 0x78) != 0)
    return answer[3] |= CODE_NOT_IMPLEMENTED, 12;
  end = query[4] == 0 && query[5] == 1 ? read_name (query, length, name, &usable) : 0;
  if (end == 0 || end + 4 > length)
    return answer[3] |= CODE_FORMAT_ERROR, 12;
  type = (unsigned) query[end] << 8 | query[end + 1];
  end += 4;
  memcpy (answer + 12, query + 12, end - 12);
  put16 (answer + 4, 1);
  if ((query[end - 2] << 8 | query[end - 1]) != CLASS_IN)
    return end;
  if (ends_with (name, ".arpa"))
    {
      pointer = name_behind (name);
      if (pointer == NULL)
        answer[3] |= CODE_NO_NAME;
      else if (type == TYPE_PTR || type == TYPE_ANY)
        end = put_pointer (answer, end, pointer);
      return end;
    }
  /* multicast names are nobody's here */
  if (!usable || ends_with (name, ".local"))
    answer[3] |= CODE_NO_NAME;
  else if (type == TYPE_A || type == TYPE_ANY)
    {
      uint32_t address = htonl (is_own (name) ? INADDR_LOOPBACK : address_of (name));

      end = put_record (answer, end, TYPE_A, (const uint8_t *) &address, 4);
    }
  return end;
}
