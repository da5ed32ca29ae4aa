/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program itself, with real tar2sqfs and unsquashfs. */
#include "creel-image-config.h"
#include "test-archive.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct
{
  char *directory, *in, *out, *lines;
  int status;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->directory = g_dir_make_tmp ("creel-image-XXXXXX", NULL);
  f->in = g_build_filename (f->directory, "in", NULL);
  f->out = g_build_filename (f->directory, "out", NULL);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_unlink (f->in);
  g_unlink (f->out);
  g_rmdir (f->directory);
  g_free (f->directory);
  g_free (f->in);
  g_free (f->out);
  g_free (f->lines);
}

/* prefix: a shell command in front of the program, or "". */
static void
run_import (Fixture *f, const char *prefix)
{
  g_autofree char *command = g_strdup_printf (": > %s; %s %s import < %s 1<> %s", f->out, prefix,
                                              g_getenv ("CREEL_IMAGE"), f->in, f->out);
  const char *argv[] = { "sh", "-c", command, NULL };
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&f->lines, g_free);
  g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &f->lines,
                &f->status, &error);
  g_assert_no_error (error);
}

static char *
run_tool (const char *command)
{
  const char *argv[] = { "sh", "-c", command, NULL };
  char *output;

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output,
                               NULL, NULL, NULL));
  return output;
}

static void
save (Fixture *f, GBytes *bytes)
{
  g_assert_true (
      g_file_set_contents (f->in, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL));
}

static gboolean
tools_missing (void)
{
  g_autofree char *tar2sqfs = g_find_program_in_path ("tar2sqfs");
  g_autofree char *unsquashfs = g_find_program_in_path ("unsquashfs");

  if (tar2sqfs != NULL && unsquashfs != NULL)
    return FALSE;
  g_test_skip ("squashfs-tools or squashfs-tools-ng is not installed");
  return TRUE;
}

static void
test_content (Fixture *f, gconstpointer unused)
{
  g_autofree char *big = g_strnfill (300000, 'b');
  const TestEntry entries[] = { { "bin", 'd' },
                                { "bin/sh", 'x' },
                                { "bin/bash", 'h', "bin/sh" },
                                { "a\nb", 'f', "newline" },
                                { "gr\xc3\xbc\xc3\x9f", 'f', "utf8" },
                                { "bro\xff\xfeken", 'f', "bytes" },
                                { "big", 'f', big },
                                { "empty", 'f' },
                                { "link", 'l', "/etc/passwd" },
                                { "dev/sda", 'c' },
                                { "pipe", 'p' },
                                { NULL } };
  g_autoptr (GBytes) tar = test_tar (entries, "gzip");
  g_autofree char *command = g_strdup_printf ("unsquashfs -lls %s", f->out);
  g_autofree char *cat =
      g_strdup_printf ("unsquashfs -cat %s big | wc -c; unsquashfs -cat %s bin/bash | wc -c; "
                       "unsquashfs -cat %s \"$(printf 'a\\nb')\"",
                       f->out, f->out, f->out);
  g_autofree char *listing = NULL;
  g_autofree char *data = NULL;
  g_autofree char *first = NULL;

  if (tools_missing ())
    return;
  save (f, tar);
  run_import (f, "");
  g_assert_cmpint (f->status, ==, 0);
  g_assert_nonnull (strstr (f->lines, "progress packing 300"));
  g_assert_nonnull (strstr (f->lines, "\nconfig source=rootfs\ndone "));
  listing = run_tool (command);
  g_assert_nonnull (strstr (listing, "squashfs-root/gr\xc3\xbc\xc3\x9f\n"));
  g_assert_nonnull (strstr (listing, "squashfs-root/bro\xff\xfeken\n"));
  g_assert_nonnull (strstr (listing, "squashfs-root/link -> /etc/passwd\n"));
  g_assert_nonnull (strstr (listing, "squashfs-root/pipe\n"));
  g_assert_null (strstr (listing, "squashfs-root/dev/sda"));
  data = run_tool (cat);
  g_assert_cmpstr (data, ==, "300000\n64\nnewline");

  /* the same again is the same */
  first = g_strdup (strstr (f->lines, "\ndone "));
  g_usleep (1100000);
  run_import (f, "");
  g_assert_cmpstr (first, ==, strstr (f->lines, "\ndone "));
}

static void
test_metadata (Fixture *f, gconstpointer unused)
{
  struct archive *archive = archive_write_new ();
  struct archive_entry *entry = archive_entry_new ();
  gsize size = 1024 * 1024, used = 0;
  g_autofree guint8 *buffer = g_malloc (size);
  g_autoptr (GBytes) program = test_program (creel_image_config_host_machine ());
  g_autoptr (GBytes) tar = NULL;
  g_autofree char *command = g_strdup_printf ("unsquashfs -lln %s", f->out);
  g_autofree char *extract =
      g_strdup_printf ("cd %s && unsquashfs -n -f -d x out >/dev/null; python3 -c 'import os; "
                       "print(sorted(os.listxattr(\"x/bin/sudo\")))'; rm -rf x",
                       f->directory);
  g_autofree char *listing = NULL;
  g_autofree char *xattrs = NULL;

  if (tools_missing ())
    return;
  archive_write_set_format_pax_restricted (archive);
  archive_write_open_memory (archive, buffer, size, &used);
  archive_entry_set_pathname (entry, ".");
  archive_entry_set_filetype (entry, AE_IFDIR);
  archive_entry_set_perm (entry, 0750);
  archive_entry_set_mtime (entry, 900000000, 0);
  archive_entry_set_uid (entry, 7);
  archive_entry_set_gid (entry, 8);
  archive_write_header (archive, entry);
  archive_entry_clear (entry);
  archive_entry_set_pathname (entry, "bin/sudo");
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 04711);
  archive_entry_set_uid (entry, 70000);
  archive_entry_set_gid (entry, 3);
  archive_entry_set_mtime (entry, 1000000000, 5);
  archive_entry_set_size (entry, 64);
  archive_entry_xattr_add_entry (entry, "user.one", "1\0two\n", 6);
  archive_entry_xattr_add_entry (entry, "security.selinux", "no", 2);
  archive_entry_xattr_add_entry (entry, "trusted.overlay.opaque", "y", 1);
  archive_write_header (archive, entry);
  archive_write_data (archive, g_bytes_get_data (program, NULL), 64);
  archive_entry_free (entry);
  archive_write_close (archive);
  archive_write_free (archive);
  tar = g_bytes_new (buffer, used);
  save (f, tar);
  run_import (f, "");
  g_assert_cmpint (f->status, ==, 0);
  listing = run_tool (command);
  g_assert_nonnull (strstr (listing, "drwxr-x--- 7/8"));
  g_assert_nonnull (strstr (listing, "-rws--x--x 70000/3"));
  g_assert_nonnull (strstr (listing, "2001-09-09"));
  xattrs = run_tool (extract);
  g_assert_cmpstr (xattrs, ==, "['user.one']\n");
}

static void
test_bad_line (Fixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) tar =
      test_tar ((TestEntry[]){ { "bin/sh", 'x' }, { "../../etc/\ncron", 'f' }, { NULL } }, NULL);
  const char *line;

  save (f, tar);
  run_import (f, "");
  g_assert_cmpint (f->status, !=, 0);
  line = strstr (f->lines, "error BadImage ");
  g_assert_nonnull (line);
  g_assert_cmpstr (strchr (line, '\n'), ==, "\n");
}

static void
test_disk_full (Fixture *f, gconstpointer unused)
{
  g_autofree guint8 *noise = g_malloc (400000);
  GByteArray *outer = g_byte_array_new ();
  g_autoptr (GBytes) tar = test_tar ((TestEntry[]){ { "bin/sh", 'x' }, { NULL } }, NULL);
  g_autoptr (GBytes) data = NULL;
  g_autoptr (GBytes) all = NULL;
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  g_autofree char *script = NULL;
  const char *argv[] = { "unshare", "-r", "-m", "sh", "-c", NULL, NULL };

  if (tools_missing ())
    return;
  for (guint i = 0; i < 400000; i++)
    noise[i] = g_rand_int (random);
  data = g_bytes_new (noise, 400000);
  test_outer_add (outer, "usr/noise", data);
  g_byte_array_append (outer, g_bytes_get_data (tar, NULL), g_bytes_get_size (tar));
  all = g_byte_array_free_to_bytes (outer);
  save (f, all);
  script = g_strdup_printf ("mkdir %s/full && mount -t tmpfs -o size=64k full %s/full || exit 77; "
                            ": > %s/full/out; exec %s import < %s 1<> %s/full/out",
                            f->directory, f->directory, f->directory, g_getenv ("CREEL_IMAGE"),
                            f->in, f->directory);
  argv[5] = script;
  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               &f->lines, &f->status, NULL));
  script = (g_free (script), g_strdup_printf ("rmdir %s/full", f->directory));
  g_free (run_tool (script));
  if (strstr (f->lines, "progress") == NULL)
    g_test_skip ("no user namespaces here");
  else if (strstr (f->lines, "\nerror NoSpace ") == NULL || strstr (f->lines, "\ndone ") != NULL)
    g_error ("%s", f->lines);
}

/* Whether the program is so far that it takes SIGTERM: on a busy machine that takes its time. */
static gboolean
takes_terminate (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  const char *caught;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (caught = strstr (text, "\nSigCgt:")) == NULL)
    return FALSE;
  return (g_ascii_strtoull (caught + strlen ("\nSigCgt:\t"), NULL, 16) >> (SIGTERM - 1) & 1) != 0;
}

static void
test_terminate (Fixture *f, gconstpointer unused)
{
  g_autoptr (GBytes) tar = test_tar ((TestEntry[]){ { "bin/sh", 'x' }, { NULL } }, NULL);
  g_autoptr (GError) error = NULL;
  const char *argv[] = { g_getenv ("CREEL_IMAGE"), "import", NULL };
  int in, out, fds[2];
  char text[4096];
  gssize n, length = 0;
  GPid pid;
  int status;

  save (f, tar);
  /* A pipe that nobody reads yet, full: the program waits in a write of its first line. */
  g_assert_cmpint (pipe (fds), ==, 0);
  fcntl (fds[1], F_SETPIPE_SZ, 4096);
  fcntl (fds[1], F_SETFL, O_NONBLOCK);
  memset (text, '\n', sizeof text);
  while (write (fds[1], text, sizeof text) > 0)
    ;
  fcntl (fds[1], F_SETFL, 0);
  in = g_open (f->in, O_RDONLY, 0);
  out = g_open (f->out, O_RDWR | O_CREAT, 0666);
  g_assert_true (g_spawn_async_with_fds (NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                                         NULL, &pid, in, out, fds[1], &error));
  close (fds[1]);
  close (in);
  close (out);
  for (int i = 0; i < 1000 && !takes_terminate (pid); i++)
    g_usleep (20000);
  g_usleep (100000);
  kill (pid, SIGTERM);
  g_usleep (100000);
  while ((n = read (fds[0], text, sizeof text)) > 0)
    length += n;
  close (fds[0]);
  waitpid (pid, &status, 0);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 1);
  g_assert_cmpint (length, >, 4096);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/image/squash/content", Fixture, NULL, set_up, test_content, tear_down);
  g_test_add ("/image/squash/metadata", Fixture, NULL, set_up, test_metadata, tear_down);
  g_test_add ("/image/squash/bad-line", Fixture, NULL, set_up, test_bad_line, tear_down);
  g_test_add ("/image/squash/disk-full", Fixture, NULL, set_up, test_disk_full, tear_down);
  g_test_add ("/image/squash/terminate", Fixture, NULL, set_up, test_terminate, tear_down);
  return g_test_run ();
}
