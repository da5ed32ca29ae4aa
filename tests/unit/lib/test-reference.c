/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-reference.h"

#define HEX_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX_B "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static char *root;

static void
write_file (const char *path, const char *text)
{
  g_autofree char *full = g_strconcat (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (directory, 0755);
  g_file_set_contents (full, text, -1, &error);
  g_assert_no_error (error);
}

static void
test_spelling (void)
{
  static const char *const good[][2] = {
    { "debian", "debian:latest" },
    { "debian:12", "debian:12" },
    { "team/box", "team/box:latest" },
    { "x/a-b_c.d/e__f:v1.0-RC_2", "x/a-b_c.d/e__f:v1.0-RC_2" },
    { "localhost/x", "localhost/x:latest" },
    { "LocalHost:5000/x", "localhost:5000/x:latest" },
    { "GHCR.io/owner/name:Tag", "ghcr.io/owner/name:Tag" },
    { "127.0.0.1:5000/x", "127.0.0.1:5000/x:latest" },
    { "[::1]:5000/x", "[::1]:5000/x:latest" },
    { "docker.io/debian", "docker.io/library/debian:latest" },
    { "index.docker.io/x/y:1", "docker.io/x/y:1" },
    { "docker.io/library/debian", "docker.io/library/debian:latest" },
    { "x@sha256:" HEX_A, "x@sha256:" HEX_A },
    { "host:1/name:tag@sha256:" HEX_A, "host:1/name@sha256:" HEX_A },
    { "abcdef123456", "abcdef123456:latest" },
  };
  static const char *const bad[] = { "", "a b", "UP", "../x", "-x", "x:", "a//b", "/x", "x/", "x:a:b", "x@", "x@sha256:1", "x@sha512:" HEX_A,
                                     "x@sha256:" HEX_A "@sha256:" HEX_A, "a...b", "a___b", "x.", ".x/y", "a..b/c", "host:0/x", "host:65536/x",
                                     "host:/x", "ho st.de/x", "[::1/x", "[::g]:1/x", "[fe80::1%eth0]/x", "-h.de/x", "h-.de/x", "x:-tag", "x:.tag", "x:V..",
                                     HEX_A, "sha256-" HEX_A, "x\n", "x=y", "user@host.de/x", "https://host.de/x", "x:t=1", "\xc3\xa4" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *name = creel_image_reference_normalize (good[i][0], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (name, ==, good[i][1]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_null (creel_reference_parse (bad[i], &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      g_assert_null (strchr (error->message, '\n'));
    }
}

static void
test_parts (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelReference) full = creel_reference_parse ("host.de:5000/a/b:t@sha256:" HEX_A, &error);
  g_autoptr (CreelReference) brief = creel_reference_parse ("debian", &error);
  g_autoptr (CreelReference) other = creel_reference_parse ("debian", &error);
  g_autofree char *at = creel_reference_format_digest (full, "sha256:" HEX_B);
  g_autofree char *docker = NULL, *mirror = NULL;
  g_autofree char *longest = g_strnfill (253, 'a'), *longer = g_strnfill (256, 'a');

  g_assert_no_error (error);
  g_assert_cmpstr (full->host, ==, "host.de:5000");
  g_assert_cmpstr (full->path, ==, "a/b");
  g_assert_cmpstr (full->tag, ==, "t");
  g_assert_cmpstr (full->digest, ==, "sha256:" HEX_A);
  g_assert_cmpstr (at, ==, "host.de:5000/a/b@sha256:" HEX_B);
  creel_reference_qualify (brief, "docker.io");
  docker = creel_reference_format (brief);
  g_assert_cmpstr (docker, ==, "docker.io/library/debian:latest");
  creel_reference_qualify (other, "mirror.local");
  mirror = creel_reference_format (other);
  g_assert_cmpstr (mirror, ==, "mirror.local/debian:latest");
  creel_reference_free (creel_reference_parse (longest, &error));
  g_assert_no_error (error);
  g_assert_null (creel_reference_parse (longer, NULL));
}

static void
test_registry (void)
{
  static const char *const bad[] = { "", "a b", "http://x", "x/y", "x:0", "x:99999", "x:5000:1", "[::1", "x..y", "user@x" };
  g_autoptr (GError) error = NULL;
  g_autofree char *host = creel_registry_normalize ("Index.Docker.IO", &error);
  g_autofree char *plain = creel_registry_default (&error);
  g_autofree char *set = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (host, ==, "docker.io");
  g_assert_cmpstr (plain, ==, "docker.io");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (creel_registry_normalize (bad[i], NULL));
  write_file ("/etc/creel/creel.conf", "[Other]\nX=1\n[Images]\nRegistry=Mirror.local:5000\n");
  set = creel_registry_default (&error);
  g_assert_no_error (error);
  g_assert_cmpstr (set, ==, "mirror.local:5000");
  write_file ("/etc/creel/creel.conf", "[Images]\nRegistry=http://x\n");
  g_assert_null (creel_registry_default (&error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_assert_nonnull (strstr (error->message, "creel.conf:2"));
  write_file ("/etc/creel/creel.conf", "");
}

static void
test_resolve (void)
{
  static const char *const a[] = { "shell", "localhost:5000/team/x", "localhost:5000/team/x@sha256:" HEX_B, "localhost:5000/team/x:any@sha256:" HEX_B,
                                   "sha256:" HEX_A, "sha256-" HEX_A, HEX_A, "012345" };
  static const char *const b[] = { "x/y", "docker.io/x/y", "index.docker.io/x/y:latest", "debian:12", "docker.io/library/debian:12", "library/debian:12",
                                   "mine/z", "docker.io/mine/z" };
  static const char *const none[] = { "localhost:5000/team/y", "x/y:2", "shell@sha256:" HEX_B, "localhost:5000/team/x@sha256:" HEX_A, "y" };
  g_autoptr (GError) error = NULL;

  write_file ("/etc/creel/creel.conf", "");
  write_file ("/var/lib/creel/images/sha256-" HEX_A "/image.conf", "[Image]\nSize=1\nManifest=" HEX_B "\nBlob=" HEX_A " 5;" HEX_B " 70;\n");
  write_file ("/var/lib/creel/images/sha256-" HEX_B "/image.conf", "[Image]\nSize=1\nManifest=" HEX_B "\nBlob=" HEX_A " 5;../x 70;\n");
  write_file ("/var/lib/creel/images/references.conf",
              "shell:latest=sha256-" HEX_A "\nlocalhost:5000/team/x:latest=sha256-" HEX_A "\nlocalhost:5000/team/x@sha256:" HEX_B "=sha256-" HEX_A
              "\ndocker.io/x/y:latest=sha256-" HEX_B "\ndocker.io/library/debian:12=sha256-" HEX_B "\nmine/z:latest=sha256-" HEX_B "\n");
  for (guint i = 0; i < G_N_ELEMENTS (a); i++)
    {
      g_autofree char *id = creel_image_resolve (a[i], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (id, ==, "sha256-" HEX_A);
    }
  for (guint i = 0; i < G_N_ELEMENTS (b); i++)
    {
      g_autofree char *id = creel_image_resolve (b[i], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (id, ==, "sha256-" HEX_B);
    }
  for (guint i = 0; i < G_N_ELEMENTS (none); i++)
    {
      g_assert_null (creel_image_resolve (none[i], &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
      g_assert_nonnull (strstr (error->message, "creel image pull"));
      g_clear_error (&error);
    }
  /* a company's registry comes before docker.io when names have no host */
  write_file ("/etc/creel/creel.conf", "[Images]\nRegistry=localhost:5000\n");
  {
    g_autofree char *mirrored = creel_image_resolve ("team/x", &error);

    g_assert_cmpstr (mirrored, ==, "sha256-" HEX_A);
    g_assert_null (creel_image_resolve ("x/y", &error));
    g_clear_error (&error);
  }
  {
    g_autoptr (CreelImageConfig) whole = creel_image_config_load ("sha256-" HEX_A, &error);
    g_autoptr (CreelImageConfig) broken = creel_image_config_load ("sha256-" HEX_B, &error);
    g_autofree char *text = creel_image_config_format (whole, &error);

    g_assert_cmpstr (whole->manifest, ==, HEX_B);
    g_assert_cmpstr (whole->blobs[1], ==, HEX_B " 70");
    g_assert_nonnull (strstr (text, "Manifest=" HEX_B));
    g_assert_null (broken->manifest);
    g_assert_null (broken->blobs[0]);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  root = g_dir_make_tmp ("creel-reference-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", root, TRUE);
  g_test_add_func ("/reference/spelling", test_spelling);
  g_test_add_func ("/reference/parts", test_parts);
  g_test_add_func ("/reference/registry", test_registry);
  g_test_add_func ("/reference/resolve", test_resolve);
  status = g_test_run ();
  {
    g_autofree char *command = g_strdup_printf ("rm -rf '%s'", root);

    g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
  }
  g_free (root);
  return status;
}
