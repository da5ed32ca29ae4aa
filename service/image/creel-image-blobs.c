/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-blobs.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-process.h"
#include "creel-root.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define SPARE (G_GUINT64_CONSTANT (64) << 20)
#define NEW_BLOB "new-blob"
#define MAX_DEPTH 16
#define PARTIAL "../../partial" /* beside blobs/ */
#define PARTIAL_AGE (7 * 24 * 3600)

struct _CreelImageBlobs
{
  int blobs; /* blobs/sha256 */
  int jobs;
  int partial; /* opened when it is asked for */
  int job; /* our directory, locked for as long as we live */
  char *path;
  char *job_name, *job_path;
};

void creel_image_blobs_free (CreelImageBlobs *self);

/* ---- directories of jobs ---- */

static void
remove_tree (int parent, const char *name, guint depth)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  if (directory == NULL)
    {
      if (fd >= 0)
        close (fd);
      return;
    }
  while ((entry = readdir (directory)) != NULL)
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, "..") &&
        unlinkat (fd, entry->d_name, 0) < 0 && depth < MAX_DEPTH)
      remove_tree (fd, entry->d_name, depth + 1);
  closedir (directory);
  unlinkat (parent, name, AT_REMOVEDIR);
}

static void
sweep (int jobs)
{
  int copy = openat (jobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy >= 0 ? fdopendir (copy) : NULL;
  struct dirent *entry;

  while (directory != NULL && (entry = readdir (directory)) != NULL)
    {
      int fd;

      if (g_str_equal (entry->d_name, ".") || g_str_equal (entry->d_name, ".."))
        continue;
      fd = openat (jobs, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0)
        unlinkat (jobs, entry->d_name, 0);
      /* The kernel lets go of the lock when its process is gone, however it went. */
      else if (flock (fd, LOCK_EX | LOCK_NB) == 0)
        remove_tree (jobs, entry->d_name, 0);
      if (fd >= 0)
        close (fd);
    }
  if (directory != NULL)
    closedir (directory);
  else if (copy >= 0)
    close (copy);
}

/* Another worker's sweep may come between mkdir and lock: so look whether it is still there. */
static gboolean
make_job (CreelImageBlobs *self, GError **error)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("%08x", g_random_int ());
      struct stat mine, there;
      int fd;

      if (mkdirat (self->jobs, name, 0700) < 0)
        {
          if (errno == EEXIST)
            continue;
          return creel_image_process_fail (error, "Cannot make a directory in the OCI store");
        }
      fd = openat (self->jobs, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0)
        continue;
      if (flock (fd, LOCK_EX | LOCK_NB) < 0 || fstat (fd, &mine) < 0 ||
          fstatat (self->jobs, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
          mine.st_ino != there.st_ino)
        {
          close (fd);
          continue;
        }
      self->job = fd;
      self->job_name = g_steal_pointer (&name);
      return TRUE;
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
               "Cannot make a directory in the OCI store: all names are taken");
  return FALSE;
}

/* ---- the store ---- */

CreelImageBlobs *
creel_image_blobs_open (gboolean writable, GError **error)
{
  g_autoptr (CreelImageBlobs) self = g_new0 (CreelImageBlobs, 1);
  g_autofree char *root = creel_root_path (CREEL_IMAGE_OCI_DIR);
  g_autofree char *blobs = g_build_filename (root, "blobs", "sha256", NULL);
  g_autofree char *jobs = g_build_filename (root, "jobs", NULL);

  self->jobs = self->job = self->partial = -1;
  self->path = g_build_filename (root, "blobs", NULL);
  self->blobs = open (blobs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->blobs >= 0 && writable)
    self->jobs = open (jobs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->blobs < 0 || (writable && self->jobs < 0))
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_FAILED,
          "Cannot open the OCI store %s: %s; systemd-tmpfiles --create creel.conf makes it", root,
          g_strerror (errno));
      return NULL;
    }
  if (writable)
    {
      sweep (self->jobs);
      if (!make_job (self, error))
        return NULL;
      self->job_path = g_build_filename (jobs, self->job_name, NULL);
    }
  return g_steal_pointer (&self);
}

void
creel_image_blobs_free (CreelImageBlobs *self)
{
  if (self->job >= 0)
    {
      remove_tree (self->jobs, self->job_name, 0);
      close (self->job);
    }
  if (self->jobs >= 0)
    close (self->jobs);
  if (self->partial >= 0)
    close (self->partial);
  if (self->blobs >= 0)
    close (self->blobs);
  g_free (self->path);
  g_free (self->job_name);
  g_free (self->job_path);
  g_free (self);
}

const char *
creel_image_blobs_get_path (CreelImageBlobs *self)
{
  return self->path;
}

const char *
creel_image_blobs_get_job (CreelImageBlobs *self)
{
  return self->job_path;
}

int
creel_image_blobs_get_job_fd (CreelImageBlobs *self)
{
  return self->job;
}

guint64
creel_image_blobs_get_free (CreelImageBlobs *self)
{
  struct statvfs st;

  return fstatvfs (self->blobs, &st) == 0 ? (guint64)st.f_bavail * st.f_frsize : G_MAXUINT64;
}

gboolean
creel_image_blobs_check_free (CreelImageBlobs *self, const char *what, guint64 needed,
                              GError **error)
{
  guint64 there = creel_image_blobs_get_free (self);

  /* Sizes are a stranger's: their sum with what is spared must not begin again at zero. */
  if (there == G_MAXUINT64 || (needed <= there && there - needed >= SPARE))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE,
               "The %s needs %" G_GUINT64_FORMAT " MB more on the disk of /var/lib/creel, where "
               "%" G_GUINT64_FORMAT " MB are free; free some space or remove %ss",
               what, needed / 1000000 + SPARE / 1000000 + 1, there / 1000000, what);
  return FALSE;
}

/* ---- reading ---- */

int
creel_image_blobs_get (CreelImageBlobs *self, const char *hex, guint64 *ret_size, GError **error)
{
  struct stat st;
  /* Not blocking: a FIFO would wait for its other end. */
  int fd = creel_image_digest_is_valid (hex)
               ? openat (self->blobs, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
               : -1;

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    {
      *ret_size = st.st_size;
      return fd;
    }
  if (fd >= 0)
    close (fd);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The store has no blob sha256:%.12s…, which the image needs; pull the image again",
               hex);
  return -1;
}

gint64
creel_image_blobs_peek (CreelImageBlobs *self, const char *hex)
{
  struct stat st;

  return fstatat (self->blobs, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode)
             ? st.st_size
             : -1;
}

static gssize
read_at (int fd, void *buffer, gsize size, gint64 position)
{
  gssize n;

  do
    n = pread (fd, buffer, size, position);
  while (n < 0 && errno == EINTR);
  return n;
}

GBytes *
creel_image_blobs_read (CreelImageBlobs *self, const char *hex, gsize max, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *actual = NULL;
  g_autofree guint8 *buffer = NULL;
  guint64 size;
  gsize done = 0;
  gssize n = 1;
  int fd = creel_image_blobs_get (self, hex, &size, error);

  if (fd < 0)
    return NULL;
  if (size > max)
    {
      close (fd);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "Blob sha256:%.12s… is larger than %" G_GSIZE_FORMAT " bytes", hex, max);
      return NULL;
    }
  buffer = g_malloc (size + 1);
  while (done < size && (n = read_at (fd, buffer + done, size - done, done)) > 0)
    done += n;
  close (fd);
  bytes = g_bytes_new_take (g_steal_pointer (&buffer), done);
  actual = creel_image_digest_of (bytes);
  if (n < 0 || !g_str_equal (actual, hex))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "Blob sha256:%.12s… of the store does not have its digest: it is damaged or was "
                   "changed; pull the image again",
                   hex);
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

gboolean
creel_image_blobs_check (CreelImageBlobs *self, const char *hex, guint64 size,
                         void (*on_bytes) (gpointer user_data, gsize n), gpointer user_data)
{
  g_autoptr (CreelImageDigest) digest = creel_image_digest_new ();
  g_autofree guint8 *buffer = NULL;
  g_autofree char *actual = NULL;
  guint64 there, position = 0;
  gssize n;
  int fd = creel_image_blobs_get (self, hex, &there, NULL);

  if (fd >= 0 && there == size)
    {
      buffer = g_malloc (BLOCK);
      /* Never beyond its size: it might be growing. */
      while (position < size &&
             (n = read_at (fd, buffer, MIN (BLOCK, size - position), position)) > 0)
        {
          creel_image_digest_update (digest, buffer, n);
          position += n;
          if (on_bytes != NULL)
            on_bytes (user_data, n);
        }
      actual = creel_image_digest_get (digest);
    }
  if (fd >= 0)
    close (fd);
  if (position == size && g_strcmp0 (actual, hex) == 0)
    return TRUE;
  if (self->job >= 0 && unlinkat (self->blobs, hex, 0) < 0 && errno == EISDIR)
    remove_tree (self->blobs, hex, 0);
  return FALSE;
}

/* ---- writing ---- */

int
creel_image_blobs_create (CreelImageBlobs *self, GError **error)
{
  int fd;

  unlinkat (self->job, NEW_BLOB, 0);
  fd = openat (self->job, NEW_BLOB, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (fd < 0)
    creel_image_process_fail (error, "Cannot make a file in the OCI store");
  return fd;
}

gboolean
creel_image_blobs_commit (CreelImageBlobs *self, int fd, const char *hex, GError **error)
{
  if (fsync (fd) < 0 || renameat (self->job, NEW_BLOB, self->blobs, hex) < 0)
    return creel_image_process_fail (error, "Cannot write to the OCI store");
  return TRUE;
}

char *
creel_image_blobs_put (CreelImageBlobs *self, GBytes *bytes, GError **error)
{
  g_autofree char *hex = creel_image_digest_of (bytes);
  gsize length;
  gconstpointer data = g_bytes_get_data (bytes, &length);
  int fd = creel_image_blobs_create (self, error);
  gboolean good;

  if (fd < 0)
    return NULL;
  good = creel_image_process_write (fd, data, length) ||
         creel_image_process_fail (error, "Cannot write to the OCI store");
  good = good && creel_image_blobs_commit (self, fd, hex, error);
  close (fd);
  return good ? g_steal_pointer (&hex) : NULL;
}

/* ---- parts of blobs ---- */

/* Nobody comes back for what has been lying there for a week. */
static void
sweep_partial (int partial)
{
  int copy = openat (partial, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy >= 0 ? fdopendir (copy) : NULL;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  struct dirent *entry;
  struct stat st;

  while (directory != NULL && (entry = readdir (directory)) != NULL)
    if (fstatat (partial, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode) &&
        st.st_mtime < now - PARTIAL_AGE)
      unlinkat (partial, entry->d_name, 0);
  if (directory != NULL)
    closedir (directory);
  else if (copy >= 0)
    close (copy);
}

static gboolean
open_partial_directory (CreelImageBlobs *self)
{
  if (self->partial >= 0)
    return TRUE;
  if (self->job >= 0)
    mkdirat (self->blobs, PARTIAL, 0700);
  self->partial = openat (self->blobs, PARTIAL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->partial >= 0 && self->job >= 0)
    sweep_partial (self->partial);
  return self->partial >= 0;
}

int
creel_image_blobs_open_partial (CreelImageBlobs *self, const char *hex, GError **error)
{
  for (guint i = 0; i < 100 && open_partial_directory (self); i++)
    {
      int fd = openat (self->partial, hex,
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
      struct stat mine, there;

      if (fd < 0)
        break;
      /* The other one may have moved it to the blobs while we waited. */
      if (flock (fd, LOCK_EX) == 0 && fstat (fd, &mine) == 0 && S_ISREG (mine.st_mode) &&
          fstatat (self->partial, hex, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
          mine.st_ino == there.st_ino && lseek (fd, 0, SEEK_END) >= 0)
        return fd;
      close (fd);
    }
  creel_image_process_fail (error, "Cannot make a file in the OCI store");
  return -1;
}

guint64
creel_image_blobs_peek_partial (CreelImageBlobs *self, const char *hex)
{
  struct stat st;

  return open_partial_directory (self) &&
                 fstatat (self->partial, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode)
             ? (guint64)st.st_blocks * 512
             : 0;
}

gboolean
creel_image_blobs_commit_partial (CreelImageBlobs *self, int fd, const char *hex, GError **error)
{
  if (fsync (fd) < 0 || renameat (self->partial, hex, self->blobs, hex) < 0)
    return creel_image_process_fail (error, "Cannot write to the OCI store");
  return TRUE;
}

void
creel_image_blobs_drop_partial (CreelImageBlobs *self, const char *hex)
{
  if (open_partial_directory (self))
    unlinkat (self->partial, hex, 0);
}
