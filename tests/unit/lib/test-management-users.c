/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose programs may manage models through the port: what the administrator's file says, and what it cannot say. */
#include <glib/gstdio.h>
#include <stdlib.h>

#include "creel-management-users.h"

static void
test_load (gconstpointer user_data)
{
  static const struct
  {
    const char *text, *users; /* NULL: no file */
  } cases[] = {
    { NULL, "" },
    { "", "" },
    { "[Models]\nManagementUsers=\n", "" },
    { "[Models]\nManagementUsers=alice 1000\n", "alice,1000" },
    { "[Models]\nManagementUsers= alice\t bob  \nRegistry=x.example\nManagementUsers=7\n", "alice,bob,7" },
    { "[Models]\nManagementUsers=alice\nManagementUsers=\nManagementUsers=bob\n", "bob" },
    { "[Images]\nManagementUsers=alice\n", "" },
    { "[Models]\nmanagementusers=alice\n", "" },
    /* what cannot be read names nobody, also not the half of it that could */
    { "[Models]\nManagementUsers=alice\nnonsense\n", "" },
    { "ManagementUsers=alice\n", "" },
    { "[Models]\nManagementUsers=al\xffice\n", "" },
  };
  const char *path = user_data;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (GStrv) users = NULL;
      g_autofree char *text = NULL;

      g_test_message ("%s", cases[i].text);
      g_unlink (path);
      g_assert_true (cases[i].text == NULL || g_file_set_contents (path, cases[i].text, -1, NULL));
      users = creel_management_users_load ();
      text = g_strjoinv (",", users);
      g_assert_cmpstr (text, ==, cases[i].users);
    }
}

static void
test_contain (void)
{
  static const char *const users[] = { "root", "1000", "no-such-user-here", "-1", "+7", "12x", "61200", "61184", "65519", "65534", "65535", "4294967295", "*", NULL };
  static const char *const nobody[] = { NULL };
  static const uid_t others[] = { 1, 7, 12, 999, 1001, 61184, 61200, 65519, 65534, 65535, (uid_t) -1 };

  g_assert_true (creel_management_users_contain (users, 0));
  g_assert_true (creel_management_users_contain (users, 1000));
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_false (creel_management_users_contain (users, others[i]));
  /* root is no exception */
  g_assert_false (creel_management_users_contain (nobody, 0));
}

int
main (int argc, char **argv)
{
  g_autofree char *root = g_dir_make_tmp ("creel-users-XXXXXX", NULL), *folder = g_build_filename (root, "etc", "creel", NULL);
  g_autofree char *path = g_build_filename (folder, "creel.conf", NULL), *command = g_strdup_printf ("rm -r '%s'", root);
  int result;

  g_test_init (&argc, &argv, NULL);
  g_mkdir_with_parents (folder, 0700);
  g_setenv ("CREEL_ROOT", root, TRUE);
  g_test_add_data_func ("/management-users/load", path, test_load);
  g_test_add_func ("/management-users/contain", test_contain);
  result = g_test_run ();
  return system (command) == 0 ? result : EXIT_FAILURE;
}
