/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "creel-config.h"
#include "creel-port-units.h"

/* What systemd's generator makes of definitions. */

static char *root, *out;

static void
write_file (const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
}

static char *
read_unit (const char *unit)
{
  g_autofree char *path = g_build_filename (out, unit, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static void
assert_contains (const char *text, const char *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

static void
test_units (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *socket = NULL, *service = NULL, *six = NULL, *wide = NULL, *none = NULL, *link = NULL, *target = NULL;
  static const char *const made[] = { "creel-port@box:127.0.0.1:8080:80.socket", "creel-port@box:::1:81:81.socket",
                                      "creel-port@temp:192.168.1.2:9000:90.socket" };

  write_file ("etc/systemd/system/creel@box.service.d/50-definition.conf", "[X-Creel]\nOwner=1000\nPublish=8080:80\nPublish=nonsense\n");
  write_file ("etc/systemd/system/creel@box.service.d/70-edit.conf", "[X-Creel]\nPublish=[::1]:81:81\n");
  write_file ("run/systemd/system/creel@temp.service.d/50-definition.conf", "[X-Creel]\nOwner=1000\nPublish=192.168.1.2:9000:90\n");
  write_file ("etc/systemd/system/creel@quiet.service.d/50-definition.conf", "[X-Creel]\nOwner=1000\n");
  write_file ("etc/systemd/system/creel@nobody.service.d/70-edit.conf", "[X-Creel]\nPublish=7\n");
  g_assert_true (creel_port_units_write (out, &error));
  g_assert_no_error (error);

  socket = read_unit ("creel-port@box:127.0.0.1:8080:80.socket.d/50-port.conf");
  assert_contains (socket, "\nListenStream=127.0.0.1:8080\n");
  assert_contains (socket, "\nBindsTo=creel@box.service\n");
  g_assert_null (strstr (socket, "network-online"));
  service = read_unit ("creel-port@box:127.0.0.1:8080:80.service.d/50-port.conf");
  assert_contains (service, "\nBindReadOnlyPaths=/run/creel/channels/box.gateway\n");
  six = read_unit ("creel-port@box:::1:81:81.socket.d/50-port.conf");
  assert_contains (six, "\nListenStream=[::1]:81\n");
  wide = read_unit ("creel-port@temp:192.168.1.2:9000:90.socket.d/50-port.conf");
  assert_contains (wide, "\nAfter=network-online.target\n");
  for (gsize i = 0; i < G_N_ELEMENTS (made); i++)
    {
      g_clear_pointer (&link, g_free);
      g_clear_pointer (&target, g_free);
      link = g_build_filename (out, i < 2 ? "creel@box.service.wants" : "creel@temp.service.wants", made[i], NULL);
      target = g_file_read_link (link, NULL);
      g_assert_cmpstr (target, ==, CREEL_PORT_TEMPLATE);
    }
  none = g_build_filename (out, "creel@nobody.service.wants", NULL);
  g_assert_false (g_file_test (none, G_FILE_TEST_EXISTS));
}

static void
test_cannot_write (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *file = g_build_filename (out, "file", NULL);

  g_assert_true (g_file_set_contents (file, "", -1, NULL));
  g_assert_false (creel_port_units_write (file, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  const char *remove[] = { "rm", "-rf", NULL, NULL };
  int result;

  g_test_init (&argc, &argv, NULL);
  root = g_dir_make_tmp ("creel-test-XXXXXX", NULL);
  out = g_build_filename (root, "out", NULL);
  g_assert_cmpint (g_mkdir (out, 0755), ==, 0);
  g_setenv ("CREEL_ROOT", root, TRUE);
  g_test_add_func ("/port-units/units", test_units);
  g_test_add_func ("/port-units/cannot-write", test_cannot_write);
  result = g_test_run ();
  remove[2] = root;
  g_spawn_sync (NULL, (char **) remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free (out);
  g_free (root);
  return result;
}
