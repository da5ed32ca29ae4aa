/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

/* The guest's resolver: who gets which address, and what is no question. */

static gsize
ask (const char *name, guint type, guint8 answer[DNS_ANSWER_MAX])
{
  guint8 query[512] = { 0x12, 0x34, 1, 0, 0, 1 };
  gsize at = 12;
  g_auto (GStrv) labels = g_strsplit (name, ".", -1);

  for (char **label = labels; *label != NULL && **label != '\0'; label++)
    {
      query[at++] = (guint8) strlen (*label);
      memcpy (query + at, *label, strlen (*label));
      at += strlen (*label);
    }
  query[at++] = 0;
  query[at++] = (guint8) (type >> 8);
  query[at++] = (guint8) type;
  query[at++] = 0;
  query[at++] = 1;
  return names_answer (query, at, answer);
}

static guint32
address (const char *name)
{
  guint8 answer[DNS_ANSWER_MAX];
  gsize length = ask (name, 1, answer);
  guint32 value;

  g_assert_cmpuint (length, >, 16);
  if ((answer[3] & 15) != 0 || answer[7] == 0)
    return 0;
  g_assert_cmpuint (answer[7], ==, 1);
  memcpy (&value, answer + length - 4, 4);
  return ntohl (value);
}

static void
test_addresses (void)
{
  guint32 first = address ("example.com");

  g_assert_cmphex (first >> 17, ==, 0xc6120000u >> 17);
  g_assert_cmphex (address ("EXAMPLE.com"), ==, first);
  g_assert_cmphex (address ("www.example.com"), !=, first);
  g_assert_cmpstr (names_find (htonl (first)), ==, "example.com");
  g_assert_null (names_find (htonl (0xc6120001)));
  g_assert_null (names_find (htonl (0x08080808)));
  g_assert_cmphex (address ("under_score.example"), !=, 0);
  g_assert_cmphex (address ("printer.local"), ==, 0);
  g_assert_cmphex (address ("a b.example"), ==, 0);
  g_assert_cmphex (address ("caf\xc3\xa9.example"), ==, 0);
}

static void
test_own (void)
{
  names_set_hostname ("Box");
  g_assert_cmphex (address ("box"), ==, INADDR_LOOPBACK);
  g_assert_cmphex (address ("localhost"), ==, INADDR_LOOPBACK);
  g_assert_cmphex (address ("x.localhost"), ==, INADDR_LOOPBACK);
  g_assert_cmphex (address ("model.creel.internal"), ==, INADDR_LOOPBACK);
  g_assert_cmphex (address ("host.docker.internal"), ==, INADDR_LOOPBACK);
  g_assert_cmphex (address ("notlocalhost"), !=, INADDR_LOOPBACK);
}

static void
test_types (void)
{
  guint8 answer[DNS_ANSWER_MAX];
  guint32 value = address ("reverse.example");
  g_autofree char *reverse =
    g_strdup_printf ("%u.%u.%u.%u.in-addr.arpa", value & 255, value >> 8 & 255, value >> 16 & 255, value >> 24);
  guint types[] = { 28, 15, 16, 65, 5 };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_assert_cmpuint (ask ("example.com", types[i], answer), >, 0);
      g_assert_cmpuint (answer[3] & 15, ==, 0);
      g_assert_cmpuint (answer[7], ==, 0);
    }
  g_assert_cmpuint (ask (reverse, 12, answer), >, 0);
  g_assert_cmpuint (answer[7], ==, 1);
  g_assert_cmpuint (ask ("8.8.8.8.in-addr.arpa", 12, answer), >, 0);
  g_assert_cmpuint (answer[3] & 15, ==, 3);
}

static void
test_malformed (void)
{
  guint8 answer[DNS_ANSWER_MAX];
  guint8 query[600] = { 0x12, 0x34, 1, 0, 0, 1 };

  g_assert_cmpuint (names_answer (query, 11, answer), ==, 0);
  g_assert_cmpuint (names_answer (query, 12, answer), ==, 12); /* no question: format error */
  g_assert_cmpuint (answer[3] & 15, ==, 1);
  query[12] = 0xc0; /* a pointer */
  g_assert_cmpuint (names_answer (query, 20, answer), ==, 12);
  g_assert_cmpuint (answer[3] & 15, ==, 1);
  for (gsize i = 12; i < sizeof query; i += 64) /* longer than a name may be */
    query[i] = 63;
  g_assert_cmpuint (names_answer (query, sizeof query, answer), ==, 12);
  query[2] = 0x29; /* another opcode */
  g_assert_cmpuint (names_answer (query, sizeof query, answer), ==, 12);
  g_assert_cmpuint (answer[3] & 15, ==, 4);
  query[2] = 0x81; /* an answer is not answered */
  g_assert_cmpuint (names_answer (query, sizeof query, answer), ==, 0);
}

/* The least recently used name gives up its address, the others keep theirs. */
static void
test_many (void)
{
  guint32 kept = address ("kept.example");
  guint32 lost = address ("lost.example");

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u.example", i);
      guint32 value = address (name);

      g_assert_cmphex (value >> 17, ==, 0xc6120000u >> 17);
      g_assert_cmpstr (names_find (htonl (value)), ==, name);
      g_assert_cmphex (address ("kept.example"), ==, kept);
    }
  g_assert_cmpstr (names_find (htonl (lost)), !=, "lost.example");
}

static void
test_records (void)
{
  Records records = { 0 };
  gsize at = 0;

  g_assert_true (records_add (&records, (const guint8 *) "arg=a\0ar", 8));
  g_assert_true (records_add (&records, (const guint8 *) "g=\0argument=x\0env=K=V\0arg=last", 31));
  g_assert_cmpstr (records_next (&records, &at, "arg"), ==, "a");
  g_assert_cmpstr (records_next (&records, &at, "arg"), ==, "");
  g_assert_cmpstr (records_next (&records, &at, "arg"), ==, "last");
  g_assert_null (records_next (&records, &at, "arg"));
  g_assert_cmpstr (records_get (&records, "env"), ==, "K=V");
  g_assert_null (records_get (&records, "cwd"));
  records_clear (&records);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/names/addresses", test_addresses);
  g_test_add_func ("/guest/names/own", test_own);
  g_test_add_func ("/guest/names/types", test_types);
  g_test_add_func ("/guest/names/malformed", test_malformed);
  g_test_add_func ("/guest/names/many", test_many);
  g_test_add_func ("/guest/records", test_records);
  return g_test_run ();
}
