/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-plan.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "creel-error.h"

/* The tar stream while it is written. */
typedef struct
{
  CreelBuildContext *context;
  CreelImageReport *report;
  struct archive *archive;
  GChecksum *digest; /* of all names: what the job is told in the end */
  gint64 uid, gid;
  gint64 mode; /* -1: as they are */
  guint64 bytes;
  gboolean failed;
  int out;
  char *folder; /* name of the last folder, when it was not written yet */
  char *folder_path;
  struct stat folder_st;
} Copy;

static gboolean
fail (const char *path, const char *what, GError **error)
{
  g_autofree char *quoted = creel_image_quote (path);

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot copy %s: %s", quoted, what);
  return FALSE;
}

/* The reader has ended, and knows why better than we do. */
static gboolean
fail_write (Copy *copy, GError **error)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED, "The sandbox takes no more: %s", archive_error_string (copy->archive));
  return FALSE;
}

static gboolean
write_data (Copy *copy, const char *path, int fd, guint64 size, GError **error)
{
  char buffer[64 * 1024];

  while (size > 0)
    {
      gssize n = read (fd, buffer, MIN (size, sizeof buffer));

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return fail (path, n < 0 ? g_strerror (errno) : "it gets shorter while it is read", error);
      if (archive_write_data (copy->archive, buffer, (size_t) n) != n)
        return fail_write (copy, error);
      size -= (guint64) n;
      copy->bytes += (guint64) n;
      creel_image_report_progress (copy->report, "copying", copy->bytes, 0);
    }
  return TRUE;
}

static gboolean
write_entry (Copy *copy, const char *path, const char *name, const struct stat *st, const char *link, GError **error)
{
  struct archive_entry *entry;
  struct stat now = *st;
  gboolean ok;
  int fd = -1;

  if (S_ISREG (st->st_mode))
    {
      fd = creel_build_context_open_path (copy->context, path, O_RDONLY | O_NONBLOCK);
      if (fd < 0 || fstat (fd, &now) < 0 || !S_ISREG (now.st_mode))
        {
          ok = fail (path, fd < 0 ? g_strerror (errno) : "it changes", error);
          if (fd >= 0)
            close (fd);
          return ok;
        }
    }
  entry = archive_entry_new ();
  archive_entry_copy_pathname (entry, name);
  archive_entry_set_filetype (entry, now.st_mode & S_IFMT);
  archive_entry_set_perm (entry, copy->mode >= 0 && link == NULL ? (mode_t) copy->mode : now.st_mode & 07777);
  archive_entry_set_uid (entry, copy->uid);
  archive_entry_set_gid (entry, copy->gid);
  archive_entry_set_mtime (entry, now.st_mtim.tv_sec, 0);
  archive_entry_set_size (entry, S_ISREG (now.st_mode) ? now.st_size : 0);
  if (link != NULL)
    archive_entry_copy_symlink (entry, link);
  g_checksum_update (copy->digest, (const guchar *) name, (gssize) strlen (name) + 1);
  ok = archive_write_header (copy->archive, entry) >= ARCHIVE_WARN ? TRUE : fail_write (copy, error);
  archive_entry_free (entry);
  if (ok && fd >= 0)
    ok = write_data (copy, path, fd, (guint64) now.st_size, error);
  if (fd >= 0)
    close (fd);
  return ok;
}

/* Writes the folder that waits, unless `next` is in it. */
static gboolean
write_folder (Copy *copy, const char *next, GError **error)
{
  g_autofree char *name = g_steal_pointer (&copy->folder);
  g_autofree char *path = g_steal_pointer (&copy->folder_path);
  gsize length = name != NULL ? strlen (name) : 0;

  if (name == NULL || (strncmp (next, name, length) == 0 && next[length] == '/'))
    return TRUE;
  return write_entry (copy, path, name, &copy->folder_st, NULL, error);
}

static gboolean
on_entry (const char *path, const char *name, const struct stat *st, const char *link, gpointer user_data, GError **error)
{
  Copy *copy = user_data;

  if (!S_ISREG (st->st_mode) && !S_ISDIR (st->st_mode) && !S_ISLNK (st->st_mode))
    return fail (path, "it is neither file, folder nor link; name it in .dockerignore", error);
  if (!write_folder (copy, name, error))
    return FALSE;
  /* tar makes such folders by itself, and leaves those alone that are there: it must not hear of them */
  if (S_ISDIR (st->st_mode) && (st->st_mode & 07777) == 0755 && copy->uid == 0 && copy->gid == 0 && copy->mode < 0)
    {
      copy->folder = g_strdup (name);
      copy->folder_path = g_strdup (path);
      copy->folder_st = *st;
      return TRUE;
    }
  return write_entry (copy, path, name, st, link, error);
}

/* asked: as COPY names it, and it shall be called; links are followed. */
static gboolean
write_source (Copy *copy, const char *asked, const char *name, GError **error)
{
  g_autofree char *path = creel_build_context_follow (copy->context, asked);
  g_autofree char *base = NULL;
  int fd = path != NULL ? creel_build_context_open_path (copy->context, path, O_PATH) : -1;
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0)
    {
      int code = errno;

      if (fd >= 0)
        close (fd);
      return fail (asked, g_strerror (code), error);
    }
  close (fd);
  if (S_ISDIR (st.st_mode))
    return creel_build_context_walk (copy->context, path, on_entry, copy, error) && write_folder (copy, "", error);
  base = g_path_get_basename (asked);
  return on_entry (path, *name != '\0' ? name : base, &st, NULL, copy, error);
}

static gboolean
parse_numbers (Copy *copy, const char *owner, const char *mode, GError **error)
{
  g_auto (GStrv) ids = g_strsplit (owner, ":", 3);
  guint64 uid, gid, bits = 0;

  if (g_strv_length (ids) != 2 || !g_ascii_string_to_unsigned (ids[0], 10, 0, G_MAXUINT32 - 1, &uid, NULL) ||
      !g_ascii_string_to_unsigned (ids[1], 10, 0, G_MAXUINT32 - 1, &gid, NULL) ||
      (!g_str_equal (mode, "-") && !g_ascii_string_to_unsigned (mode, 8, 0, 07777, &bits, NULL)))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Owner or mode of COPY is none");
      return FALSE;
    }
  copy->uid = (gint64) uid;
  copy->gid = (gint64) gid;
  copy->mode = g_str_equal (mode, "-") ? -1 : (gint64) bits;
  return TRUE;
}

/* A stream that is not whole must not look whole: after a failure its end is not written. */
static la_ssize_t
on_write (struct archive *archive, void *user_data, const void *buffer, size_t length)
{
  Copy *copy = user_data;
  gssize n = -1;

  do
    n = copy->failed ? -1 : write (copy->out, buffer, length);
  while (n < 0 && !copy->failed && errno == EINTR);
  if (n < 0)
    archive_set_error (archive, errno, "%s", g_strerror (errno));
  return n;
}

static gboolean
write_all (Copy *copy, char *const *sources, const char *name, GError **error)
{
  g_autofree char *now = NULL;
  g_autoptr (GPtrArray) found = creel_build_find_sources (copy->context, sources, *name == '\0', &now, error);

  if (found == NULL)
    return FALSE;
  if (*name != '\0' && g_strcmp0 (now, name) != 0)
    return fail (name, "it is not what it was when the build began", error);
  archive_write_set_format_pax_restricted (copy->archive);
  archive_write_set_bytes_per_block (copy->archive, 64 * 1024);
  archive_write_set_bytes_in_last_block (copy->archive, 1);
  if (archive_write_open (copy->archive, copy, NULL, on_write, NULL) != ARCHIVE_OK)
    return fail_write (copy, error);
  for (guint i = 0; i < found->len; i++)
    if (!write_source (copy, found->pdata[i], name, error))
      return FALSE;
  return archive_write_close (copy->archive) == ARCHIVE_OK ? TRUE : fail_write (copy, error);
}

gboolean
creel_image_copy (const char *folder, const char *owner, const char *mode, const char *name, char *const *sources, int out,
                  CreelImageReport *report, GError **error)
{
  g_autoptr (CreelBuildContext) context = NULL;
  Copy copy = { .report = report, .out = out };
  gboolean ok;

  if (!parse_numbers (&copy, owner, mode, error) || (context = creel_build_context_open (folder, error)) == NULL)
    return FALSE;
  copy.context = context;
  copy.archive = archive_write_new ();
  copy.digest = g_checksum_new (G_CHECKSUM_SHA256);
  ok = write_all (&copy, sources, name, error);
  copy.failed = !ok;
  archive_write_free (copy.archive);
  g_free (copy.folder);
  g_free (copy.folder_path);
  if (ok)
    creel_image_report_done (report, g_checksum_get_string (copy.digest));
  g_checksum_free (copy.digest);
  return ok;
}
