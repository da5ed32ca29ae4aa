/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-process.h"
#include "creel-registry-private.h"
#include <string.h>
#include <unistd.h>

#define BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define CERTS_D "/etc/containers/certs.d"

gboolean
creel_registry_is_local (const char *host)
{
  return g_str_equal (host, "localhost") || g_str_equal (host, "127.0.0.1") ||
         g_str_equal (host, "::1") || g_str_equal (host, "[::1]");
}

static void
append_file (GString *pem, const char *path)
{
  g_autofree char *text = NULL;
  gsize length;

  if (g_file_get_contents (path, &text, &length, NULL))
    {
      g_string_append_len (pem, text, length);
      g_string_append_c (pem, '\n');
    }
}

static void
append_directory (GString *pem, const char *path, gboolean only_crt)
{
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  const char *name;

  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (!only_crt || g_str_has_suffix (name, ".crt"))
        append_file (pem, file);
    }
}

static void
close_file (gpointer data)
{
  close (GPOINTER_TO_INT (data));
}

GTlsDatabase *
creel_registry_trust_load (const char *host, GError **error)
{
  const char *file = g_getenv ("SSL_CERT_FILE"), *directories = g_getenv ("SSL_CERT_DIR");
  g_autoptr (GString) pem = g_string_new (NULL);
  g_autofree char *own = g_build_filename (CERTS_D, host, NULL);
  g_autofree char *path = NULL;
  GTlsDatabase *database;
  int fd;

  if (file == NULL && directories == NULL && !g_file_test (own, G_FILE_TEST_IS_DIR))
    return NULL;
  append_file (pem, file != NULL ? file : BUNDLE);
  if (directories != NULL)
    {
      g_auto (GStrv) list = g_strsplit (directories, ":", -1);

      for (guint i = 0; list[i] != NULL; i++)
        append_directory (pem, list[i], FALSE);
    }
  append_directory (pem, own, TRUE);
  fd = creel_image_process_memory (pem->str, pem->len, error);
  if (fd < 0)
    return NULL;
  path = g_strdup_printf ("/proc/self/fd/%d", fd);
  database = g_tls_file_database_new (path, error);
  /* It opens the file again for each connection. */
  if (database != NULL)
    g_object_set_data_full (G_OBJECT (database), "creel-file", GINT_TO_POINTER (fd), close_file);
  else
    close (fd);
  return database;
}

static const char *
variable (const char *upper, const char *lower)
{
  const char *value = g_getenv (upper);

  if (value == NULL || *value == '\0')
    value = g_getenv (lower);
  return value != NULL && *value != '\0' ? value : NULL;
}

GProxyResolver *
creel_registry_trust_proxies (void)
{
  const char *https = variable ("HTTPS_PROXY", "https_proxy");
  const char *http = variable ("HTTP_PROXY", "http_proxy");
  const char *no = variable ("NO_PROXY", "no_proxy");
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit (no != NULL ? no : "", ",", -1);
  GProxyResolver *resolver;

  g_ptr_array_add (ignored, g_strdup ("localhost"));
  g_ptr_array_add (ignored, g_strdup ("127.0.0.0/8"));
  g_ptr_array_add (ignored, g_strdup ("::1"));
  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *word = g_strstrip (words[i]);

      if (g_str_equal (word, "*"))
        https = http = NULL;
      else if (*word == '.')
        g_ptr_array_add (ignored, g_strconcat ("*", word, NULL));
      else if (*word != '\0')
        {
          /* To Go's libraries a name means what is below it too. */
          g_ptr_array_add (ignored, g_strdup (word));
          g_ptr_array_add (ignored, g_strconcat ("*.", word, NULL));
        }
    }
  g_ptr_array_add (ignored, NULL);
  resolver = g_simple_proxy_resolver_new (NULL, (char **)ignored->pdata);
  if (https != NULL)
    g_simple_proxy_resolver_set_uri_proxy (G_SIMPLE_PROXY_RESOLVER (resolver), "https", https);
  if (http != NULL)
    g_simple_proxy_resolver_set_uri_proxy (G_SIMPLE_PROXY_RESOLVER (resolver), "http", http);
  return resolver;
}
