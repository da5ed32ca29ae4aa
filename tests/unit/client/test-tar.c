/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What creel cp packs and unpacks, and what a sandbox may send instead. */
#include <archive.h>
#include <archive_entry.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli-tar.h"

typedef struct
{
  char *directory; /* the working directory is "in" in it */
  int fd;
  struct archive *tar;
  guint n;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->directory = g_dir_make_tmp ("creel-cp-XXXXXX", NULL);
  g_assert_cmpint (g_chdir (f->directory), ==, 0);
  g_assert_cmpint (g_mkdir ("in", 0755), ==, 0);
  g_assert_cmpint (g_chdir ("in"), ==, 0);
  f->fd = memfd_create ("tar", MFD_CLOEXEC);
  f->tar = archive_write_new ();
  archive_write_set_format_pax_restricted (f->tar);
  archive_write_open_fd (f->tar, f->fd);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", f->directory);

  g_assert_cmpint (g_chdir ("/"), ==, 0);
  g_assert_cmpint (system (command), ==, 0);
  archive_write_free (f->tar);
  close (f->fd);
  g_free (f->directory);
}

static void
add (Fixture *f, const char *name, mode_t mode, const char *link, const char *text)
{
  struct archive_entry *entry = archive_entry_new ();

  archive_entry_set_pathname (entry, name);
  archive_entry_set_mode (entry, mode);
  archive_entry_set_size (entry, text != NULL ? (la_int64_t) strlen (text) : 0);
  if (S_ISLNK (mode))
    archive_entry_set_symlink (entry, link);
  else if (link != NULL)
    archive_entry_set_hardlink (entry, link);
  g_assert_cmpint (archive_write_header (f->tar, entry), >=, ARCHIVE_WARN);
  if (text != NULL)
    archive_write_data (f->tar, text, strlen (text));
  archive_entry_free (entry);
}

static gboolean
unpack (Fixture *f, const char *base, const char *root, gboolean want_directory, gboolean exists, GError **error)
{
  archive_write_close (f->tar);
  lseek (f->fd, 0, SEEK_SET);
  return cli_tar_unpack (f->fd, base, root, want_directory, exists, &f->n, error);
}

static void
assert_text (const char *path, const char *expected)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, expected);
}

/* Only "in" is there. */
static void
assert_nothing_outside (Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->directory, 0, NULL);

  g_assert_cmpstr (g_dir_read_name (dir), ==, "in");
  g_assert_null (g_dir_read_name (dir));
}

static void
test_good (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  struct stat st;

  add (f, "./base/", S_IFDIR | 0755, NULL, NULL);
  add (f, "./base/file", S_IFREG | 06755, NULL, "text");
  add (f, "./base/again", S_IFREG | 0644, "./base/file", NULL);
  add (f, "./base/link", S_IFLNK | 0777, "/etc/passwd", NULL);
  add (f, "./base/pipe", S_IFIFO | 0644, NULL, NULL);
  add (f, "./base/device", S_IFCHR | 0644, NULL, NULL);
  add (f, "./base/sub/deep", S_IFREG | 0600, NULL, "deep");
  g_assert_true (unpack (f, "base", "new", FALSE, FALSE, &error));
  g_assert_no_error (error);
  assert_text ("new/file", "text");
  assert_text ("new/sub/deep", "deep");
  assert_text ("new/again", "text");
  g_assert_cmpint (lstat ("new/file", &st), ==, 0);
  g_assert_cmpint (st.st_mode, ==, S_IFREG | 0755);
  g_assert_cmpint (lstat ("new/link", &st), ==, 0);
  g_assert_true (S_ISLNK (st.st_mode));
  g_assert_cmpint (lstat ("new/pipe", &st), <, 0);
  g_assert_cmpint (lstat ("new/device", &st), <, 0);
  assert_nothing_outside (f);
}

static void
test_content (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  struct stat before, after;

  g_assert_cmpint (lstat (".", &before), ==, 0);
  add (f, "./", S_IFDIR | 0000, NULL, NULL);
  add (f, "./x", S_IFREG | 0644, NULL, "x");
  g_assert_true (unpack (f, ".", "", FALSE, FALSE, &error));
  g_assert_no_error (error);
  assert_text ("x", "x");
  g_assert_cmpint (lstat (".", &after), ==, 0);
  g_assert_cmpint (before.st_mode, ==, after.st_mode); /* the user's own folder stays as it is */
}

static void
test_kinds (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  add (f, "base", S_IFREG | 0644, NULL, "x");
  g_assert_false (unpack (f, "base", "new", TRUE, FALSE, &error));
  g_assert_nonnull (error);
}

static void
test_folder_on_file (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents ("new", "mine", -1, NULL));
  add (f, "base", S_IFDIR | 0755, NULL, NULL);
  g_assert_false (unpack (f, "base", "new", FALSE, TRUE, &error));
  g_assert_nonnull (error);
  assert_text ("new", "mine");
}

static void
test_hostile (Fixture *f, gconstpointer data)
{
  const char *kind = data;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents ("mine", "mine", -1, NULL));
  add (f, "base", S_IFDIR | 0755, NULL, NULL);
  if (g_str_equal (kind, "dotdot"))
    add (f, "base/../../escaped", S_IFREG | 0644, NULL, "x");
  else if (g_str_equal (kind, "absolute"))
    add (f, "/tmp/escaped-from-creel-cp", S_IFREG | 0644, NULL, "x");
  else if (g_str_equal (kind, "other"))
    add (f, "mine", S_IFREG | 0644, NULL, "theirs");
  else if (g_str_equal (kind, "symlink"))
    {
      add (f, "base/way", S_IFLNK | 0777, "../..", NULL);
      add (f, "base/way/escaped", S_IFREG | 0644, NULL, "x");
    }
  else if (g_str_equal (kind, "hardlink"))
    {
      add (f, "base/link", S_IFREG | 0644, "../mine", NULL);
      add (f, "base/link", S_IFREG | 0644, NULL, "theirs");
    }
  else if (g_str_equal (kind, "hardlink-below"))
    add (f, "base/link", S_IFREG | 0644, "base/there-before", NULL);
  else
    {
      add (f, "base/to-mine", S_IFLNK | 0777, "../mine", NULL);
      add (f, "base/link", S_IFREG | 0644, "base/to-mine", NULL);
    }
  g_assert_false (unpack (f, "base", "new", FALSE, FALSE, &error));
  g_assert_nonnull (error);
  assert_text ("mine", "mine");
  assert_nothing_outside (f);
  g_assert_false (g_file_test ("/tmp/escaped-from-creel-cp", G_FILE_TEST_EXISTS));
}

static void
test_no_tar (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  int fd = memfd_create ("noise", MFD_CLOEXEC);
  guint n;

  for (int i = 0; i < 3000; i++)
    g_assert_cmpint (write (fd, "noise", 5), ==, 5);
  lseek (fd, 0, SEEK_SET);
  g_assert_false (cli_tar_unpack (fd, "base", "new", FALSE, FALSE, &n, &error));
  g_assert_nonnull (error);
  g_assert_cmpuint (n, ==, 0);
  close (fd);
}

/* Out of one folder and into another, by way of a tar. */
static void
test_round (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *long_name = g_strnfill (200, 'n'), *long_path = g_strconcat ("from/", long_name, NULL), *back = g_strconcat ("back/", long_name, NULL);
  int fd = memfd_create ("tar", MFD_CLOEXEC);
  guint n;

  g_assert_cmpint (g_mkdir ("from", 0755), ==, 0);
  g_assert_cmpint (g_mkdir ("from/ünï", 0755), ==, 0);
  g_assert_true (g_file_set_contents (long_path, "long", -1, NULL));
  g_assert_true (g_file_set_contents ("from/ünï/x", "x", -1, NULL));
  g_assert_cmpint (link ("from/ünï/x", "from/y"), ==, 0);
  g_assert_cmpint (symlink ("nowhere", "from/link"), ==, 0);
  g_assert_cmpint (mkfifo ("from/pipe", 0644), ==, 0);
  g_assert_true (cli_tar_pack ("from", "base", fd, &error));
  g_assert_no_error (error);
  lseek (fd, 0, SEEK_SET);
  g_assert_true (cli_tar_unpack (fd, "base", "back", FALSE, FALSE, &n, &error));
  g_assert_no_error (error);
  assert_text (back, "long");
  assert_text ("back/ünï/x", "x");
  assert_text ("back/y", "x");
  g_assert_true (g_file_test ("back/link", G_FILE_TEST_IS_SYMLINK));
  close (fd);
  g_assert_false (cli_tar_pack ("missing", "base", -1, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  static const char *const hostile[] = { "dotdot", "absolute", "other", "symlink", "hardlink", "hardlink-below", "hardlink-to-symlink" };

  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/cp/good", Fixture, NULL, set_up, test_good, tear_down);
  g_test_add ("/cp/content", Fixture, NULL, set_up, test_content, tear_down);
  g_test_add ("/cp/kinds", Fixture, NULL, set_up, test_kinds, tear_down);
  g_test_add ("/cp/folder-on-file", Fixture, NULL, set_up, test_folder_on_file, tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *path = g_strconcat ("/cp/hostile/", hostile[i], NULL);

      g_test_add (path, Fixture, hostile[i], set_up, test_hostile, tear_down);
    }
  g_test_add ("/cp/no-tar", Fixture, NULL, set_up, test_no_tar, tear_down);
  g_test_add ("/cp/round", Fixture, NULL, set_up, test_round, tear_down);
  return g_test_run ();
}
