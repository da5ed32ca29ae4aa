/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <stdio.h>
#include <string.h>

static int
base64_value (char c)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *digit = memchr (digits, c, sizeof digits - 1);

  return digit == NULL ? -1 : (int) (digit - digits);
}

static bool
is_space (char c)
{
  return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* Returns where the base64 that there is at text ends. */
static const char *
decode (const char *text, const char *end, uint8_t *bytes, size_t *ret_n)
{
  uint32_t bits = 0;
  unsigned n_bits = 0;
  size_t n = 0;

  for (; text < end && (is_space (*text) || base64_value (*text) >= 0); text++)
    if (!is_space (*text))
      {
        bits = bits << 6 | (uint32_t) base64_value (*text);
        n_bits += 6;
        if (n_bits >= 8)
          bytes[n++] = (uint8_t) (bits >> (n_bits -= 8));
      }
  while (text < end && (*text == '=' || is_space (*text)))
    text++;
  *ret_n = n;
  return text;
}

bool
pem_next (PemBlock *block, const char *label, const char *end, uint8_t *bytes)
{
  char begin_mark[64], end_mark[64];
  size_t begin_length = (size_t) snprintf (begin_mark, sizeof begin_mark, "-----BEGIN %s-----", label);
  size_t end_length = (size_t) snprintf (end_mark, sizeof end_mark, "-----END %s-----", label);
  const char *at = block->end;

  while (at < end && (at = memmem (at, (size_t) (end - at), begin_mark, begin_length)) != NULL)
    {
      block->begin = at;
      at = decode (at + begin_length, end, bytes, &block->n_bytes);
      if ((size_t) (end - at) < end_length || memcmp (at, end_mark, end_length) != 0)
        continue;
      block->end = at + end_length;
      return true;
    }
  return false;
}

/* Removes text[*from, to) with the lines around it that belong to it. Returns what the length is then; *from is moved with what went before it. */
static size_t
cut_out (char *text, size_t length, size_t *from_inout, size_t to)
{
  size_t from = *from_inout;

  if (to < length && text[to] == '\n')
    to++;
  while (from > 0)
    {
      const char *before = memrchr (text, '\n', from - 1);
      size_t line = before == NULL ? 0 : (size_t) (before - text) + 1;

      if (text[line] != '#')
        break;
      from = line;
    }
  /* one empty line is between two certificates, none at the end */
  if (from == 0 || (from > 1 && text[from - 1] == '\n' && text[from - 2] == '\n'))
    {
      if (to < length && text[to] == '\n')
        to++;
      else if (to == length && from > 0)
        from--;
    }
  memmove (text + from, text + to, length - to);
  *from_inout = from;
  return length - (to - from);
}

size_t
pem_cut (char *text, size_t length, const char *pem)
{
  /* the second is OpenSSL's: the certificate, and then what it is trusted for */
  static const char *const labels[] = { "CERTIFICATE", "TRUSTED CERTIFICATE" };
  size_t pem_length = strlen (pem);
  uint8_t *wanted = malloc (pem_length + 1);
  uint8_t *bytes = malloc (length + 1);
  PemBlock ours = { .end = pem };

  if (wanted != NULL && bytes != NULL && pem_next (&ours, labels[0], pem + pem_length, wanted) && ours.n_bytes > 0)
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
      {
        PemBlock block = { .end = text };

        while (pem_next (&block, labels[i], text + length, bytes))
          if (block.n_bytes >= ours.n_bytes && memcmp (bytes, wanted, ours.n_bytes) == 0)
            {
              size_t from = (size_t) (block.begin - text);

              length = cut_out (text, length, &from, (size_t) (block.end - text));
              block.end = text + from;
            }
      }
  free (bytes);
  free (wanted);
  return length;
}
