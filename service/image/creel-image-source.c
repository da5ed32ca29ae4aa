/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-source.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (128 * 1024)
#define MAX_MEMBERS 10000
#define MAX_LINKS 8
#define BLOB_PREFIX "blobs/sha256/"

typedef struct
{
  gint64 offset; /* of its header in the file */
  gint64 size;
  char *link; /* of a symbolic or hard link: the member that it means */
} Member;

struct _CreelImageSource
{
  int fd;    /* or -1: blobs */
  int spool; /* the unpacked outer tar, or -1 */
  CreelImageBlobs *blobs;
  guint64 size;
  guint64 passed; /* bytes read so far, for the progress */
  CreelImageReport *report;
  GHashTable *members; /* name -> Member */
};

/* One layer of reading: a libarchive handle over the file or, when outer is set, over the current
 * entry of another handle. */
struct _CreelImageReader
{
  CreelImageSource *source;
  CreelImageReader *outer;
  struct archive *archive;
  int fd;
  gboolean owns_fd;
  gint64 position;
  guint8 *buffer;
  CreelImageDigest *checksum;
  char *digest;
  GError *error; /* of the outer reader */
};

static void
member_free (gpointer data)
{
  Member *member = data;

  g_free (member->link);
  g_free (member);
}

CreelImageSource *
creel_image_source_new (int fd, CreelImageReport *report, GError **error)
{
  CreelImageSource *self;
  struct stat st;

  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive is not a regular file; save it to a file and import that");
      return NULL;
    }
  if (st.st_size == 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The archive is empty");
      return NULL;
    }
  self = g_new0 (CreelImageSource, 1);
  self->fd = fd;
  self->spool = -1;
  self->size = st.st_size;
  self->report = report;
  self->members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, member_free);
  return self;
}

CreelImageSource *
creel_image_source_new_blobs (CreelImageBlobs *blobs, CreelImageReport *report)
{
  CreelImageSource *self = g_new0 (CreelImageSource, 1);

  self->fd = self->spool = -1;
  self->blobs = blobs;
  self->report = report;
  self->members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, member_free);
  return self;
}

gboolean
creel_image_source_add_blob (CreelImageSource *self, const char *hex, GError **error)
{
  guint64 size;
  int fd = creel_image_blobs_get (self->blobs, hex, &size, error);

  if (fd < 0)
    return FALSE;
  close (fd);
  self->size += size;
  return TRUE;
}

void
creel_image_source_free (CreelImageSource *self)
{
  if (self->spool >= 0)
    close (self->spool);
  g_hash_table_unref (self->members);
  g_free (self);
}

void
creel_image_source_set_quiet (CreelImageSource *self)
{
  self->report = NULL;
}

guint64
creel_image_source_get_size (CreelImageSource *self)
{
  return self->size;
}

gboolean
creel_image_source_check_limits (CreelImageSource *self, guint64 unpacked, GError **error)
{
  if (unpacked > CREEL_IMAGE_MAX_BYTES)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The image unpacks to more than %" G_GUINT64_FORMAT " GiB, which is the limit",
                   CREEL_IMAGE_MAX_BYTES >> 30);
      return FALSE;
    }
  if (unpacked > CREEL_IMAGE_RATIO_FLOOR && unpacked / CREEL_IMAGE_MAX_RATIO > self->size)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The image unpacks to more than %d times its own size, which no honest one does",
                   CREEL_IMAGE_MAX_RATIO);
      return FALSE;
    }
  return TRUE;
}

/* ---- reading ---- */

static la_ssize_t
on_read (struct archive *archive, void *user_data, const void **ret_buffer)
{
  CreelImageReader *self = user_data;
  gssize n;

  *ret_buffer = self->buffer;
  if (self->outer != NULL)
    {
      n = creel_image_reader_read (self->outer, self->buffer, BLOCK, &self->error);
      if (n < 0)
        archive_set_error (archive, EIO, "cannot be read");
    }
  else
    {
      do
        n = pread (self->fd, self->buffer, BLOCK, self->position);
      while (n < 0 && errno == EINTR);
      if (n < 0)
        archive_set_error (archive, errno, "%s", g_strerror (errno));
      else
        {
          self->position += n;
          self->source->passed = MIN (self->source->passed + n, self->source->size);
          creel_image_report_progress (self->source->report, "reading", self->source->passed,
                                       self->source->size);
        }
    }
  if (n > 0 && self->checksum != NULL)
    creel_image_digest_update (self->checksum, self->buffer, n);
  return n;
}

static la_int64_t
on_skip (struct archive *archive, void *user_data, la_int64_t request)
{
  CreelImageReader *self = user_data;
  struct stat st;

  /* Never beyond the end: a truncated file must fail when read, not pass as a long skip. */
  if (fstat (self->fd, &st) < 0 || self->position >= st.st_size)
    return 0;
  request = MIN (request, st.st_size - self->position);
  self->position += request;
  self->source->passed = MIN (self->source->passed + request, self->source->size);
  return request;
}

static gboolean
set_archive_error (CreelImageReader *self, GError **error)
{
  const char *text = archive_error_string (self->archive);
  g_autofree char *quoted = NULL;

  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
      return FALSE;
    }
  quoted = creel_image_quote (text != NULL ? text : "unknown error");
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The archive is damaged, truncated or not an archive at all: %s", quoted);
  return FALSE;
}

static CreelImageReader *
reader_open (CreelImageSource *source, CreelImageReader *outer, int fd, gboolean owns_fd,
             gint64 offset, const char *digest, gboolean raw, GError **error)
{
  g_autoptr (CreelImageReader) self = g_new0 (CreelImageReader, 1);

  self->source = source;
  self->outer = outer;
  self->fd = fd;
  self->owns_fd = owns_fd;
  self->position = offset;
  self->buffer = g_malloc (BLOCK);
  self->digest = g_strdup (digest);
  if (digest != NULL)
    self->checksum = creel_image_digest_new ();

  /* Not support_filter_all: some of those run other programs. */
  self->archive = archive_read_new ();
  archive_read_support_filter_gzip (self->archive);
  archive_read_support_filter_bzip2 (self->archive);
  archive_read_support_filter_xz (self->archive);
  archive_read_support_filter_lzma (self->archive);
  archive_read_support_filter_zstd (self->archive);
  archive_read_support_filter_lz4 (self->archive);
  archive_read_support_filter_compress (self->archive);
  if (raw)
    archive_read_support_format_raw (self->archive);
  else
    archive_read_support_format_tar (self->archive);
  archive_read_support_format_empty (self->archive);
  archive_read_set_callback_data (self->archive, self);
  archive_read_set_read_callback (self->archive, on_read);
  if (outer == NULL && digest == NULL)
    archive_read_set_skip_callback (self->archive, on_skip);
  if (archive_read_open1 (self->archive) < ARCHIVE_WARN)
    {
      set_archive_error (self, error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
creel_image_reader_free (CreelImageReader *self)
{
  g_clear_pointer (&self->archive, archive_read_free);
  g_clear_pointer (&self->outer, creel_image_reader_free);
  g_clear_pointer (&self->checksum, creel_image_digest_free);
  g_clear_error (&self->error);
  if (self->owns_fd)
    close (self->fd);
  g_free (self->buffer);
  g_free (self->digest);
  g_free (self);
}

/* libarchive stops at the end of the tar; the digest is of all bytes. */
static gboolean
check_digest (CreelImageReader *self, GError **error)
{
  g_autofree char *actual = NULL;
  const void *buffer;
  gssize n;

  if (self->checksum == NULL)
    return TRUE;
  while ((n = on_read (self->archive, self, &buffer)) > 0)
    ;
  if (n < 0)
    return set_archive_error (self, error);
  actual = creel_image_digest_get (self->checksum);
  if (!g_str_equal (actual, self->digest))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "A layer does not have the digest that the manifest promises (sha256:%.12s…): "
                   "it is damaged or was changed",
                   self->digest);
      return FALSE;
    }
  return TRUE;
}

gboolean
creel_image_reader_next (CreelImageReader *self, struct archive_entry **ret_entry, GError **error)
{
  struct archive_entry *entry = NULL;
  int r;

  do
    r = archive_read_next_header (self->archive, &entry);
  while (r == ARCHIVE_RETRY);

  if (r == ARCHIVE_EOF)
    {
      if (!check_digest (self, error))
        return FALSE;
      *ret_entry = NULL;
      return TRUE;
    }
  if (r < ARCHIVE_WARN)
    return set_archive_error (self, error);
  *ret_entry = entry;
  return TRUE;
}

gssize
creel_image_reader_read (CreelImageReader *self, void *buffer, gsize size, GError **error)
{
  la_ssize_t n;

  do
    n = archive_read_data (self->archive, buffer, size);
  while (n == ARCHIVE_RETRY);
  if (n < 0)
    {
      set_archive_error (self, error);
      return -1;
    }
  return n;
}

/* ---- members ---- */

/* Names as they are in the index: no leading "./" or "/"; NULL for what cannot be a member. */
static char *
canonical_name (const char *name)
{
  g_auto (GStrv) parts = NULL;
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();

  if (name == NULL)
    return NULL;
  parts = g_strsplit (name, "/", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (*parts[i] == '\0' || g_str_equal (parts[i], "."))
        continue;
      if (!g_str_equal (parts[i], ".."))
        g_ptr_array_add (stack, parts[i]);
      else if (stack->len > 0)
        g_ptr_array_set_size (stack, stack->len - 1);
      else
        return NULL;
    }
  g_ptr_array_add (stack, NULL);
  return g_strjoinv ("/", (char **)stack->pdata);
}

/* Unpacks the compressed file to a temporary one, from the start. */
static gboolean
spool (CreelImageSource *self, GError **error)
{
  g_autoptr (CreelImageReader) reader = NULL;
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  struct archive_entry *entry;
  guint64 total = 0;
  gssize n;

  self->spool = open ("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (self->spool < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make a file in /var/tmp: %s",
                   g_strerror (errno));
      return FALSE;
    }
  self->passed = 0;
  reader = reader_open (self, NULL, self->fd, FALSE, 0, NULL, TRUE, error);
  if (reader == NULL || !creel_image_reader_next (reader, &entry, error))
    return FALSE;
  if (entry == NULL)
    return TRUE;
  while ((n = creel_image_reader_read (reader, buffer, BLOCK, error)) > 0)
    {
      if (!creel_image_source_check_limits (self, total += n, error))
        return FALSE;
      for (gssize done = 0; done < n;)
        {
          gssize written = write (self->spool, buffer + done, n - done);

          if (written < 0 && errno == EINTR)
            continue;
          if (written <= 0)
            {
              g_set_error (error, CREEL_ERROR,
                           errno == ENOSPC || errno == EDQUOT ? CREEL_ERROR_NO_SPACE
                                                              : CREEL_ERROR_FAILED,
                           "Cannot unpack the archive to /var/tmp: %s; free some space there, or "
                           "import it uncompressed",
                           g_strerror (errno));
              return FALSE;
            }
          done += written;
        }
    }
  return n == 0;
}

static gboolean
name_is_of_root (const char *name)
{
  static const char *const names[] = { "bin",   "boot",  "dev",    "etc",   "home", "lib",
                                       "lib32", "lib64", "libx32", "media", "mnt",  "opt",
                                       "proc",  "root",  "run",    "sbin",  "srv",  "sys",
                                       "tmp",   "usr",   "var",    NULL };
  g_autofree char *first = g_strndup (name, strcspn (name, "/"));

  return g_strv_contains (names, first);
}

/* Reads all headers from fd; TRUE with *ret_is_root when it stopped early. */
static gboolean
index_members (CreelImageSource *self, int fd, gboolean *ret_is_root, gboolean *ret_compressed,
               GError **error)
{
  g_autoptr (CreelImageReader) reader = reader_open (self, NULL, fd, FALSE, 0, NULL, FALSE, error);
  struct archive_entry *entry;

  g_hash_table_remove_all (self->members);
  if (reader == NULL)
    return FALSE;
  for (;;)
    {
      g_autofree char *name = NULL;
      const char *link;
      Member *member;

      if (!creel_image_reader_next (reader, &entry, error))
        return FALSE;
      if (entry == NULL)
        break;
      name = canonical_name (archive_entry_pathname (entry));
      if (name == NULL || *name == '\0')
        continue;
      if (name_is_of_root (name) || g_hash_table_size (self->members) >= MAX_MEMBERS)
        {
          *ret_is_root = TRUE;
          return TRUE;
        }
      link = archive_entry_hardlink (entry);
      member = g_new0 (Member, 1);
      member->offset = archive_read_header_position (reader->archive);
      if (link != NULL)
        member->link = canonical_name (link);
      else if (archive_entry_filetype (entry) == AE_IFLNK)
        {
          g_autofree char *parent = g_path_get_dirname (name);
          g_autofree char *path = g_build_filename (parent, archive_entry_symlink (entry), NULL);

          member->link = canonical_name (path);
        }
      else if (archive_entry_filetype (entry) == AE_IFREG)
        member->size = archive_entry_size (entry);
      else
        {
          member_free (member);
          continue;
        }
      g_hash_table_replace (self->members, g_steal_pointer (&name), member);
    }
  *ret_is_root = FALSE;
  *ret_compressed = archive_filter_code (reader->archive, 0) != ARCHIVE_FILTER_NONE;
  return TRUE;
}

gboolean
creel_image_source_index (CreelImageSource *self, gboolean *ret_is_root, GError **error)
{
  gboolean is_root, compressed = FALSE;

  if (!index_members (self, self->fd, &is_root, &compressed, error))
    return FALSE;
  /* Offsets of members mean something only in the unpacked stream. */
  if (!is_root && compressed && g_hash_table_size (self->members) > 0 &&
      (!spool (self, error) || !index_members (self, self->spool, &is_root, &compressed, error)))
    return FALSE;
  self->passed = 0;
  *ret_is_root = is_root;
  return TRUE;
}

static const Member *
find_member (CreelImageSource *self, const char *name)
{
  g_autofree char *canonical = canonical_name (name);

  for (guint i = 0; canonical != NULL && i < MAX_LINKS; i++)
    {
      const Member *member = g_hash_table_lookup (self->members, canonical);

      if (member == NULL || member->link == NULL)
        return member;
      g_free (canonical);
      canonical = g_strdup (member->link);
    }
  return NULL;
}

gboolean
creel_image_source_has_member (CreelImageSource *self, const char *name)
{
  return find_member (self, name) != NULL;
}

static int
open_blob (CreelImageSource *self, const char *name, GError **error)
{
  guint64 size;

  return creel_image_blobs_get (self->blobs, name + strlen (BLOB_PREFIX), &size, error);
}

/* A reader of the outer tar that stands on the member. */
static CreelImageReader *
open_member (CreelImageSource *self, const char *name, GError **error)
{
  const Member *member = find_member (self, name);
  g_autoptr (CreelImageReader) outer = NULL;
  struct archive_entry *entry;

  if (member == NULL)
    {
      g_autofree char *quoted = creel_image_quote (name);

      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive has no %s, which its manifest names: it is incomplete", quoted);
      return NULL;
    }
  outer = reader_open (self, NULL, self->spool >= 0 ? self->spool : self->fd, FALSE, member->offset,
                       NULL, FALSE, error);
  if (outer == NULL || !creel_image_reader_next (outer, &entry, error))
    return NULL;
  if (entry == NULL || archive_entry_filetype (entry) != AE_IFREG ||
      archive_entry_size (entry) != member->size)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive changed while it was read; import it again");
      return NULL;
    }
  return g_steal_pointer (&outer);
}

GBytes *
creel_image_source_read_member (CreelImageSource *self, const char *name, gsize max, GError **error)
{
  g_autoptr (CreelImageReader) reader = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[4096];
  gssize n;

  if (self->blobs != NULL)
    return creel_image_blobs_read (self->blobs, name + strlen (BLOB_PREFIX), max, error);
  reader = open_member (self, name, error);
  if (reader == NULL)
    return NULL;
  while ((n = creel_image_reader_read (reader, buffer, sizeof buffer, error)) > 0)
    {
      if (bytes->len + (gsize)n > max)
        {
          g_autofree char *quoted = creel_image_quote (name);

          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "%s in the archive is larger than %" G_GSIZE_FORMAT " bytes", quoted, max);
          return NULL;
        }
      g_byte_array_append (bytes, buffer, n);
    }
  if (n < 0)
    return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

CreelImageReader *
creel_image_reader_new (CreelImageSource *source, const char *member, const char *digest,
                        GError **error)
{
  g_autoptr (CreelImageReader) outer = NULL;
  CreelImageReader *self;

  if (source->blobs != NULL)
    {
      int fd = open_blob (source, member, error);

      return fd >= 0 ? reader_open (source, NULL, fd, TRUE, 0, digest, FALSE, error) : NULL;
    }
  if (member == NULL)
    return reader_open (source, NULL, source->fd, FALSE, 0, digest, FALSE, error);
  outer = open_member (source, member, error);
  if (outer == NULL)
    return NULL;
  /* The new reader owns outer from its first step, whether opening works or not. */
  self = reader_open (source, g_steal_pointer (&outer), -1, FALSE, 0, digest, FALSE, error);
  return self;
}
