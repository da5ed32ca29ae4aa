/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key store for Java. With arguments it makes one for a real Java: BUNDLE CA STORE. */
#include <glib.h>
#include <string.h>

#include "init.h"

#define PEM(base64) "-----BEGIN CERTIFICATE-----\n" base64 "\n-----END CERTIFICATE-----\n"
#define HEAD "\xfe\xed\xfe\xed\0\0\0\2"
#define ENTRY(name_length, name, length, der) \
  "\0\0\0\2\0" name_length name "\0\0\0\0\0\0\0\0\0\5X.509\0\0\0" length der
#define DIGEST "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void
check (const char *text, const char *pem, const char *wanted, gsize wanted_length)
{
  g_autofree char *copy = g_memdup2 (text, strlen (text)); /* it has no NUL */
  size_t length;
  uint8_t *store = java_store_build (copy, strlen (text), pem, &length);

  g_assert_cmpmem (store, length, wanted, wanted_length);
  free (store);
}
#define CHECK(text, pem, wanted) check (text, pem, wanted, sizeof wanted - 1)

static void
test_store (void)
{
  CHECK ("", "", HEAD "\0\0\0\0" DIGEST);
  /* ours alone; of the system first; a line without an end, carriage returns */
  CHECK ("", PEM ("MAIFAA=="), HEAD "\0\0\0\1" ENTRY ("\7", "creel-0", "\4", "\x30\2\5\0") DIGEST);
  CHECK ("# of a\n" PEM ("MAA=") "# of b\n" PEM ("MAIF\r\nAA=="), PEM ("MAMCAQU="),
         HEAD "\0\0\0\3" ENTRY ("\10", "system-0", "\2", "\x30\0") ENTRY ("\10", "system-1", "\4", "\x30\2\5\0")
             ENTRY ("\7", "creel-2", "\5", "\x30\3\2\1\5") DIGEST);
}

/* What a bundle has that is no certificate takes nothing else with it. */
static void
test_left_out (void)
{
  static const char *const broken[] = {
    PEM (""), PEM ("MAA=*"), PEM ("M*A="), PEM ("AAAA"), PEM ("MAE="), PEM ("MAEFAA=="), PEM ("MIX/////"), PEM ("MIT/////"), PEM ("MIAAAA=="),
    "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nMAA=\n", "-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMAA=\n-----END PRIVATE KEY-----\n", "-----BEGIN CERTIFICATE-----MAA=-----END CERTIFICATE\n",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_autofree char *text = g_strconcat (broken[i], PEM ("MAA="), broken[i], NULL);

      CHECK (text, broken[i], HEAD "\0\0\0\1" ENTRY ("\10", "system-0", "\2", "\x30\0") DIGEST);
    }
}

static int
make (char **paths)
{
  g_autofree char *bundle = NULL, *pem = NULL;
  gsize bundle_length, store_length;
  g_autoptr (GError) error = NULL;
  uint8_t *store;

  if (!g_file_get_contents (paths[0], &bundle, &bundle_length, &error) || !g_file_get_contents (paths[1], &pem, NULL, &error))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  store = java_store_build (bundle, bundle_length, pem, &store_length);
  g_assert_true (g_file_set_contents (paths[2], (const char *) store, (gssize) store_length, NULL));
  free (store);
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 4)
    return make (argv + 1);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/java/store", test_store);
  g_test_add_func ("/guest/java/left-out", test_left_out);
  return g_test_run ();
}
