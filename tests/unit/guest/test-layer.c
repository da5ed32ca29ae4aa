/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layer that a guest sends, read by libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "init-layer.h"
#include "init-tar.h"

#define BUNDLE "usr/share/bundle.pem"
#define MARK "\n# creel: begin, made anew at each start\n"

typedef struct
{
  char *directory;
  int upper, lower;
  LayerSource source;
  GHashTable *entries; /* name -> Entry */
  GPtrArray *names;
} Fixture;

typedef struct
{
  char *link;
  GBytes *bytes;
  mode_t mode;
  gint64 uid, gid, mtime, size;
  GHashTable *attributes;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->link);
  g_bytes_unref (entry->bytes);
  g_hash_table_unref (entry->attributes);
  g_free (entry);
}

static Entry *
read_entry (struct archive *archive, struct archive_entry *from)
{
  Entry *entry = g_new0 (Entry, 1);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const char *name;
  const void *value;
  size_t size;
  guint8 buffer[65536];
  la_ssize_t n;

  entry->link = g_strdup (archive_entry_hardlink (from) != NULL ? archive_entry_hardlink (from) : archive_entry_symlink (from));
  entry->mode = archive_entry_mode (from);
  entry->uid = archive_entry_uid (from);
  entry->gid = archive_entry_gid (from);
  entry->mtime = archive_entry_mtime (from);
  entry->size = archive_entry_size (from);
  entry->attributes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  archive_entry_xattr_reset (from);
  while (archive_entry_xattr_next (from, &name, &value, &size) == ARCHIVE_OK)
    g_hash_table_insert (entry->attributes, g_strdup (name), g_strndup (value, size));
  while ((n = archive_read_data (archive, buffer, sizeof buffer)) > 0)
    g_byte_array_append (bytes, buffer, (guint) n);
  g_assert_cmpint (n, ==, 0);
  entry->bytes = g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
  return entry;
}

static void
read_all (Fixture *f, int fd)
{
  struct archive *archive = archive_read_new ();
  struct archive_entry *from;
  int result;

  archive_read_support_format_tar (archive);
  g_assert_cmpint (archive_read_open_fd (archive, fd, 65536), ==, ARCHIVE_OK);
  while ((result = archive_read_next_header (archive, &from)) == ARCHIVE_OK)
    {
      const char *name = archive_entry_pathname (from);

      g_assert_nonnull (name);
      g_assert_false (g_hash_table_contains (f->entries, name));
      g_ptr_array_add (f->names, g_strdup (name));
      g_hash_table_insert (f->entries, g_strdup (name), read_entry (archive, from));
    }
  g_assert_cmpstr (archive_error_string (archive), ==, NULL);
  g_assert_cmpint (result, ==, ARCHIVE_EOF);
  archive_read_free (archive);
}

static gpointer
write_thread (gpointer data)
{
  Fixture *f = ((gpointer *) data)[0];
  int fd = GPOINTER_TO_INT (((gpointer *) data)[1]);
  int code = layer_write (&f->source, fd);

  close (fd);
  return GINT_TO_POINTER (code);
}

/* Through a pipe, as a guest does. */
static void
save (Fixture *f)
{
  int fds[2];
  gpointer data[2];
  GThread *thread;

  g_assert_cmpint (pipe (fds), ==, 0);
  data[0] = f;
  data[1] = GINT_TO_POINTER (fds[1]);
  thread = g_thread_new ("layer", write_thread, data);
  read_all (f, fds[0]);
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, 0);
  close (fds[0]);
}

static Entry *
find (Fixture *f, const char *name)
{
  Entry *entry = g_hash_table_lookup (f->entries, name);

  if (entry == NULL)
    g_test_message ("there is no %s", name);
  g_assert_nonnull (entry);
  return entry;
}

static gboolean
has (Fixture *f, const char *name)
{
  return g_hash_table_contains (f->entries, name);
}

static void
make_dir (int at, const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  g_autoptr (GString) so_far = g_string_new (NULL);

  for (char **part = parts; *part != NULL; part++)
    {
      g_string_append_printf (so_far, "%s%s", so_far->len > 0 ? "/" : "", *part);
      if (mkdirat (at, so_far->str, 0755) < 0)
        g_assert_cmpint (errno, ==, EEXIST);
    }
}

static void
make_file (int at, const char *path, const char *text, mode_t mode)
{
  g_autofree char *parent = g_path_get_dirname (path);
  int fd;

  if (strcmp (parent, ".") != 0)
    make_dir (at, parent);
  fd = openat (at, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  g_assert_cmpint (fchmod (fd, mode), ==, 0);
  close (fd);
}

static void
check_text (Fixture *f, const char *name, const char *text)
{
  gsize size;
  const char *bytes = g_bytes_get_data (find (f, name)->bytes, &size);

  g_assert_cmpmem (bytes, size, text, strlen (text));
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autofree char *upper = NULL, *lower = NULL;

  f->directory = g_dir_make_tmp ("creel-layer-XXXXXX", NULL);
  upper = g_build_filename (f->directory, "upper", NULL);
  lower = g_build_filename (f->directory, "lower", NULL);
  g_assert_cmpint (g_mkdir (upper, 0755), ==, 0);
  g_assert_cmpint (g_mkdir (lower, 0755), ==, 0);
  f->upper = open (upper, O_RDONLY | O_DIRECTORY);
  f->lower = open (lower, O_RDONLY | O_DIRECTORY);
  f->source = (LayerSource){ .upper = f->upper, .lower = f->lower };
  f->source.bundles[0] = g_strdup (BUNDLE);
  f->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  f->names = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", f->directory);

  close (f->upper);
  close (f->lower);
  g_assert_cmpint (system (command), ==, 0);
  g_hash_table_unref (f->entries);
  g_ptr_array_unref (f->names);
  g_free (f->source.bundles[0]);
  g_free (f->directory);
}

static void
test_empty (Fixture *f, gconstpointer unused)
{
  save (f);
  g_assert_cmpuint (f->names->len, ==, 0);
}

static void
test_kinds (Fixture *f, gconstpointer unused)
{
  struct timespec times[2] = { { 1000000000, 0 }, { -86400, 0 } };

  make_file (f->upper, "home/agent/notes", "text\n", 0644);
  make_file (f->upper, "usr/bin/su", "#!", 04755);
  make_file (f->upper, "home/agent/empty", "", 0600);
  make_file (f->upper, "home/agent/ä €.txt", "unicode", 0644);
  make_file (f->upper, "home/agent/\xff\xfe", "bytes", 0644);
  g_assert_cmpint (linkat (f->upper, "home/agent/notes", f->upper, "home/agent/same", 0), ==, 0);
  g_assert_cmpint (symlinkat ("../x", f->upper, "home/agent/link"), ==, 0);
  g_assert_cmpint (mkfifoat (f->upper, "home/agent/fifo", 0640), ==, 0);
  g_assert_cmpint (utimensat (f->upper, "home/agent/empty", times, 0), ==, 0);
  save (f);
  check_text (f, "home/agent/notes", "text\n");
  check_text (f, "home/agent/ä €.txt", "unicode");
  check_text (f, "home/agent/\xff\xfe", "bytes");
  g_assert_cmpint (find (f, "usr/bin/su")->mode, ==, S_IFREG | 04755);
  g_assert_cmpint (find (f, "usr/bin/")->mode, ==, S_IFDIR | 0755);
  g_assert_cmpint (find (f, "home/agent/empty")->mtime, ==, -86400);
  g_assert_cmpstr (find (f, "home/agent/same")->link, ==, "home/agent/notes");
  g_assert_cmpstr (find (f, "home/agent/link")->link, ==, "../x");
  g_assert_cmpint (find (f, "home/agent/fifo")->mode, ==, S_IFIFO | 0640);
  g_assert_cmpint (find (f, "home/agent/notes")->uid, ==, getuid ());
}

/* Around each limit of the header's fields. */
static void
test_names (Fixture *f, gconstpointer unused)
{
  static const guint lengths[] = { 99, 100, 101, 154, 155, 156, 255 };
  g_autoptr (GPtrArray) made = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autofree char *name = g_strnfill (MIN (lengths[i], 255), 'n');

      make_file (f->upper, name, name, 0644);
      g_ptr_array_add (made, g_steal_pointer (&name));
    }
  for (guint depth = 1; depth < 6; depth++)
    for (guint length = 40; length < 110; length += 3)
      {
        g_autoptr (GString) name = g_string_new (NULL);

        for (guint i = 0; i < depth; i++)
          g_string_append_printf (name, "%s%02u%s", i > 0 ? "/" : "", i, "ddddddddddddddddddddddddddddddddddddddddddddddd");
        g_string_append_printf (name, "/%0*u", (int) length, depth);
        make_file (f->upper, name->str, "x", 0644);
        g_ptr_array_add (made, g_strdup (name->str));
      }
  {
    g_autofree char *target = g_strnfill (2000, 't');
    g_autofree char *exact = g_strnfill (100, 'e');

    g_assert_cmpint (symlinkat (target, f->upper, "long-link"), ==, 0);
    g_assert_cmpint (symlinkat (exact, f->upper, "exact-link"), ==, 0);
    save (f);
    g_assert_cmpstr (find (f, "long-link")->link, ==, target);
    g_assert_cmpstr (find (f, "exact-link")->link, ==, exact);
  }
  for (guint i = 0; i < made->len; i++)
    find (f, made->pdata[i]);
}

static void
test_deep (Fixture *f, gconstpointer unused)
{
  g_autofree char *part = g_strnfill (200, 'p');
  int at = dup (f->upper);

  for (int i = 0; i < 40; i++) /* 8000 bytes: no path of the kernel */
    {
      int next;

      g_assert_cmpint (mkdirat (at, part, 0755), ==, 0);
      next = openat (at, part, O_RDONLY | O_DIRECTORY);
      close (at);
      at = next;
    }
  make_file (at, "bottom", "here", 0644);
  close (at);
  save (f);
  g_assert_cmpuint (f->names->len, ==, 41);
  g_assert_true (g_str_has_suffix (f->names->pdata[40], "/bottom"));
  g_assert_cmpuint (strlen (f->names->pdata[40]), ==, 40 * 201 + 6);
}

static void
test_large (Fixture *f, gconstpointer unused)
{
  gsize size = 3 * 1024 * 1024 + 77;
  g_autofree guint8 *bytes = g_malloc (size);
  int fd = openat (f->upper, "large", O_WRONLY | O_CREAT, 0644);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 13);
  g_assert_cmpint (write (fd, bytes, size), ==, size);
  close (fd);
  fd = openat (f->upper, "sparse", O_WRONLY | O_CREAT, 0644);
  g_assert_cmpint (ftruncate (fd, 1024 * 1024), ==, 0);
  close (fd);
  make_file (f->upper, "zz", "after", 0644);
  save (f);
  g_assert_cmpmem (g_bytes_get_data (find (f, "large")->bytes, NULL), find (f, "large")->size, bytes, size);
  g_assert_cmpint (find (f, "sparse")->size, ==, 1024 * 1024);
  check_text (f, "zz", "after");
}

static void
test_whiteouts (Fixture *f, gconstpointer unused)
{
  int fd;

  make_file (f->upper, "etc/kept", "k", 0644);
  make_dir (f->upper, "opt/new");
  make_file (f->upper, "opt/new/.wh.sly", "not a whiteout of ours", 0644);
  if (mknodat (f->upper, "etc/gone", S_IFCHR, 0) < 0 || mknodat (f->upper, "etc/hosts", S_IFCHR, 0) < 0)
    {
      g_test_skip ("cannot make a whiteout here");
      return;
    }
  fd = openat (f->upper, "opt/new", O_RDONLY);
  if (fsetxattr (fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
    {
      close (fd);
      g_test_skip ("cannot make an opaque directory here");
      return;
    }
  close (fd);
  if (mknodat (f->upper, "etc/null", S_IFCHR | 0666, makedev (1, 3)) < 0)
    g_test_message ("no device");
  save (f);
  g_assert_cmpint (find (f, "etc/.wh.gone")->size, ==, 0);
  g_assert_cmpint (find (f, "etc/.wh.gone")->mode, ==, S_IFREG | 0644);
  g_assert_true (has (f, "opt/new/.wh..wh..opq"));
  g_assert_false (has (f, "opt/.wh..wh..opq"));
  g_assert_false (has (f, "opt/new/.wh.sly"));
  g_assert_false (has (f, "etc/null"));
  g_assert_false (has (f, "etc/gone"));
  g_assert_false (has (f, "etc/.wh.hosts")); /* is made at each start */
  check_text (f, "etc/kept", "k");
}

static void
test_attributes (Fixture *f, gconstpointer unused)
{
  static const guint8 capability[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  Entry *entry;
  int fd;

  make_file (f->upper, "file", "x", 0755);
  fd = openat (f->upper, "file", O_RDONLY);
  if (fsetxattr (fd, "user.note", "some\nvalue=1", 12, 0) < 0)
    {
      close (fd);
      g_test_skip ("no extended attributes here");
      return;
    }
  g_assert_cmpint (fsetxattr (fd, "user.empty", "", 0, 0), ==, 0);
  if (fsetxattr (fd, "security.capability", capability, sizeof capability, 0) == 0 && fsetxattr (fd, "trusted.other", "x", 1, 0) == 0)
    g_test_message ("with privileged ones");
  close (fd);
  save (f);
  entry = find (f, "file");
  g_assert_cmpstr (g_hash_table_lookup (entry->attributes, "user.note"), ==, "some\nvalue=1");
  g_assert_true (g_hash_table_contains (entry->attributes, "user.empty"));
  g_assert_false (g_hash_table_contains (entry->attributes, "trusted.other"));
  if (geteuid () == 0)
    g_assert_true (g_hash_table_contains (entry->attributes, "security.capability"));
}

static void
test_mounts (Fixture *f, gconstpointer unused)
{
  g_auto (GStrv) mounts = g_strsplit ("home/alice/my project:root/work:mnt/a/b:tmp:srv/file", ":", -1);
  int fd;

  f->source.mounts = mounts;
  f->source.n_mounts = g_strv_length (mounts);
  make_dir (f->lower, "root");
  make_dir (f->lower, "home");
  fd = openat (f->lower, "root", O_RDONLY);
  g_assert_cmpint (fchmod (fd, 0700), ==, 0);
  close (fd);
  make_file (f->upper, "home/alice/my project/never", "x", 0644); /* nothing but a way: alice is not in the image */
  make_dir (f->upper, "root/work");
  fd = openat (f->upper, "root", O_RDONLY);
  g_assert_cmpint (fchmod (fd, 0711), ==, 0);
  close (fd);
  make_dir (f->upper, "mnt/a/b");
  make_file (f->upper, "mnt/a/kept", "x", 0644); /* more than a way */
  make_file (f->upper, "srv/file", "covered", 0644);
  make_file (f->upper, "tmp/x", "x", 0644);
  make_file (f->upper, "run/secret", "x", 0644);
  make_file (f->upper, "proc/x", "x", 0644);
  make_file (f->upper, "var/run/x", "x", 0644);
  save (f);
  g_assert_true (has (f, "home/"));
  g_assert_false (has (f, "home/alice/"));
  g_assert_false (has (f, "home/alice/my project/never"));
  g_assert_cmpint (find (f, "root/")->mode, ==, S_IFDIR | 0700);
  g_assert_false (has (f, "root/work/"));
  g_assert_true (has (f, "mnt/a/"));
  g_assert_true (has (f, "mnt/a/kept"));
  g_assert_false (has (f, "mnt/a/b/"));
  g_assert_false (has (f, "srv/file"));
  g_assert_false (has (f, "tmp/"));
  g_assert_false (has (f, "run/"));
  g_assert_false (has (f, "proc/"));
  g_assert_true (has (f, "var/run/x"));
  f->source.mounts = NULL;
  f->source.n_mounts = 0;
}

static void
test_own (Fixture *f, gconstpointer unused)
{
  make_file (f->upper, "etc/hostname", "box\n", 0644);
  make_file (f->upper, "etc/resolv.conf", "x", 0644);
  make_file (f->upper, "etc/sudoers.d/creel", "x", 0440);
  make_file (f->upper, "etc/ca-certificates/update.d/creel", "#!/bin/sh\n", 0755);
  make_file (f->upper, "etc/sudoers.d/mine", "x", 0440);
  make_file (f->lower, BUNDLE, "certificates", 0644);
  make_file (f->upper, BUNDLE, "certificates" MARK "gateway", 0644);
  make_file (f->upper, BUNDLE ".creel", "gateway", 0644);
  make_file (f->lower, "etc/passwd", "root:x:0:0::/:/bin/sh", 0644);
  make_file (f->upper, "etc/passwd", "root:x:0:0::/:/bin/sh\nagent:x:1000:1000:Creel agent:/home/agent:/bin/sh\n", 0644);
  make_file (f->lower, "etc/group", "root:x:0:\n", 0644);
  make_file (f->upper, "etc/group", "root:x:0:\nagent:x:1000:\nmore:x:1:\n", 0644);
  make_file (f->lower, "etc/shadow", "root:*:1:0:::::\n", 0640);
  make_file (f->upper, "etc/shadow", "root:$6$:1:0:::::\n", 0640);
  save (f);
  g_assert_false (has (f, "etc/hostname"));
  g_assert_false (has (f, "etc/resolv.conf"));
  g_assert_false (has (f, "etc/sudoers.d/creel"));
  g_assert_false (has (f, "etc/ca-certificates/update.d/creel"));
  g_assert_true (has (f, "etc/sudoers.d/mine"));
  g_assert_false (has (f, BUNDLE));
  g_assert_false (has (f, BUNDLE ".creel"));
  g_assert_false (has (f, "etc/passwd"));
  check_text (f, "etc/group", "root:x:0:\nagent:x:1000:\nmore:x:1:\n");
  check_text (f, "etc/shadow", "root:$6$:1:0:::::\n");
}

#define PEM(label, base64) "-----BEGIN " label "-----\n" base64 "\n-----END " label "-----\n"
#define CA PEM ("CERTIFICATE", "MAMCAQU=")
#define OTHER "# other\n" PEM ("CERTIFICATE", "MAMCAQY=")
#define EXTRACTED "etc/pki/ca-trust/extracted/"

/* What p11-kit's programs make of our certificate among the anchors */
static void
test_own_anchors (Fixture *f, gconstpointer unused)
{
  f->source.ca = (char *) CA;
  make_file (f->upper, "etc/pki/ca-trust/source/anchors/creel.pem", CA, 0644);
  make_file (f->upper, "etc/pki/ca-trust/source/anchors/mine.pem", OTHER, 0644);
  make_file (f->upper, "etc/ca-certificates/trust-source/anchors/creel.pem", CA, 0644);
  make_dir (f->upper, "etc/pki/trust/anchors");
  if (mknodat (f->upper, "etc/pki/trust/anchors/creel.pem", S_IFCHR, 0) < 0)
    g_test_message ("cannot make a whiteout here");
  /* in the middle and made anew, with another line length; at the end; first; alone */
  make_file (f->lower, BUNDLE, OTHER "\n" OTHER, 0644);
  make_file (f->upper, BUNDLE, OTHER "\n# Creel\n" PEM ("CERTIFICATE", "MAMC\nAQU=") "\n" OTHER MARK CA, 0644);
  make_file (f->lower, EXTRACTED "pem/email.pem", OTHER, 0644);
  make_file (f->upper, EXTRACTED "pem/email.pem", OTHER "\n# Creel\n" CA, 0644);
  make_file (f->lower, EXTRACTED "pem/first.pem", OTHER, 0644);
  make_file (f->upper, EXTRACTED "pem/first.pem", "# Creel\n" CA "\n" OTHER, 0644);
  make_file (f->upper, EXTRACTED "pem/hash/Creel.pem", CA, 0644);
  make_file (f->upper, EXTRACTED "pem/empty.pem", "", 0644);
  make_file (f->upper, EXTRACTED "pem/changed.pem", OTHER CA OTHER, 0644);
  make_file (f->upper, EXTRACTED "openssl/bundle.crt", OTHER "\n# Creel\n" PEM ("TRUSTED CERTIFICATE", "MAMCAQUwAA==") "\n" OTHER, 0644);
  make_file (f->upper, EXTRACTED "java/cacerts", "store 0\3\2\1\5 digest", 0444);
  make_file (f->upper, EXTRACTED "java/others", "store 0\3\2\1\6 digest", 0444);
  save (f);
  g_assert_false (has (f, "etc/pki/ca-trust/source/anchors/creel.pem"));
  g_assert_true (has (f, "etc/pki/ca-trust/source/anchors/mine.pem"));
  g_assert_false (has (f, "etc/ca-certificates/trust-source/anchors/creel.pem"));
  g_assert_false (has (f, "etc/pki/trust/anchors/.wh.creel.pem"));
  g_assert_false (has (f, BUNDLE));
  g_assert_false (has (f, EXTRACTED "pem/email.pem"));
  g_assert_false (has (f, EXTRACTED "pem/first.pem"));
  g_assert_false (has (f, EXTRACTED "pem/hash/Creel.pem"));
  check_text (f, EXTRACTED "pem/empty.pem", "");
  check_text (f, EXTRACTED "pem/changed.pem", OTHER OTHER);
  check_text (f, EXTRACTED "openssl/bundle.crt", OTHER "\n" OTHER);
  g_assert_false (has (f, EXTRACTED "java/cacerts"));
  g_assert_true (has (f, EXTRACTED "java/others"));
}

static void
test_own_changed (Fixture *f, gconstpointer unused)
{
  make_file (f->lower, BUNDLE, "certificates", 0644);
  make_file (f->upper, BUNDLE, "certificates\nand the company's\n" MARK "gateway", 0644);
  save (f);
  check_text (f, BUNDLE, "certificates\nand the company's\n");
}

/* The image had no certificates. */
static void
test_own_bundle (Fixture *f, gconstpointer unused)
{
  make_file (f->upper, BUNDLE, MARK "gateway", 0644);
  save (f);
  g_assert_false (has (f, BUNDLE));
}

/* What a header says of more than 8 GiB, without the bytes. */
static void
test_numbers (void)
{
  TarEntry entry = { .name = "huge", .type = '0', .mode = 0644, .uid = 3000000000u, .gid = 2097152, .mtime = 8589934592, .size = (1ull << 33) + 5 };
  struct archive *archive = archive_read_new ();
  struct archive_entry *from;
  int fd = memfd_create ("tar", MFD_CLOEXEC);
  Tar tar;

  g_assert_true (tar_open (&tar, fd));
  g_assert_true (tar_add (&tar, &entry, -1));
  g_assert_true (tar_add_bytes (&tar, "start", 5));
  g_assert_true (tar_close (&tar));
  tar_clear (&tar);
  lseek (fd, 0, SEEK_SET);
  archive_read_support_format_tar (archive);
  g_assert_cmpint (archive_read_open_fd (archive, fd, 512), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_read_next_header (archive, &from), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_entry_size (from), ==, (1ll << 33) + 5);
  g_assert_cmpint (archive_entry_uid (from), ==, 3000000000);
  g_assert_cmpint (archive_entry_gid (from), ==, 2097152);
  g_assert_cmpint (archive_entry_mtime (from), ==, 8589934592);
  archive_read_free (archive);
  close (fd);
}

/* Files that are shorter than they were: the stream keeps its shape. */
static void
test_shrunk (void)
{
  TarEntry entry = { .name = "short", .type = '0', .mode = 0644, .size = 200000 };
  int fd = memfd_create ("tar", MFD_CLOEXEC), file = memfd_create ("file", MFD_CLOEXEC);
  Tar tar;

  g_assert_cmpint (write (file, "abc", 3), ==, 3);
  lseek (file, 0, SEEK_SET);
  g_assert_true (tar_open (&tar, fd));
  g_assert_true (tar_add (&tar, &entry, -1));
  g_assert_true (tar_add_file (&tar, file, entry.size));
  g_assert_true (tar_close (&tar));
  g_assert_cmpint (lseek (fd, 0, SEEK_END), ==, 512 + 200192 + 1024);
  tar_clear (&tar);
  close (file);
  close (fd);
}

/* Whoever reads goes away. */
static void
test_broken_pipe (Fixture *f, gconstpointer unused)
{
  int fds[2];

  make_file (f->upper, "file", "x", 0644);
  g_assert_cmpint (pipe (fds), ==, 0);
  close (fds[0]);
  g_assert_cmpint (layer_write (&f->source, fds[1]), ==, EPIPE);
  close (fds[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
#define ADD(name) g_test_add ("/layer/" #name, Fixture, NULL, set_up, test_##name, tear_down)
  ADD (empty);
  ADD (kinds);
  ADD (names);
  ADD (deep);
  ADD (large);
  ADD (whiteouts);
  ADD (attributes);
  ADD (mounts);
  ADD (own);
  ADD (own_anchors);
  ADD (own_changed);
  ADD (own_bundle);
  ADD (broken_pipe);
  g_test_add_func ("/tar/numbers", test_numbers);
  g_test_add_func ("/tar/shrunk", test_shrunk);
  return g_test_run ();
}
