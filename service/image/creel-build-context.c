/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "creel-build-ignore.h"
#include "creel-containerfile.h"
#include "creel-error.h"
#include "creel-image-report.h"

#define MAX_DEPTH 128
#define MAX_LINKS 40
#define MAX_IGNORE (256 * 1024)

struct _CreelBuildContext
{
  int fd;
  CreelBuildIgnore *ignore;
  char *ignore_name;
};

static gboolean refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (CREEL_ERROR, CREEL_ERROR_FAILED, format, args);
  va_end (args);
  return FALSE;
}

/* What is left of a path, and the folders that lead to where it is: ".." takes the last of them away and never asks the kernel, so
 * that not even a folder which is moved meanwhile leads out. */
typedef struct
{
  GQueue left;     /* char * */
  GArray *folders; /* fds; the first is borrowed */
  guint links;
} Way;

static void
push_parts (Way *way, const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (guint i = g_strv_length (parts); i-- > 0;)
    if (*parts[i] != '\0' && strcmp (parts[i], ".") != 0)
      g_queue_push_head (&way->left, g_strdup (parts[i]));
}

static int
last_folder (Way *way)
{
  return g_array_index (way->folders, int, way->folders->len - 1);
}

/* A link: what it says comes next. FALSE with errno. */
static gboolean
take_link (Way *way, int fd)
{
  char target[4096];
  gssize n = readlinkat (fd, "", target, sizeof target - 1);

  if (n < 0)
    return FALSE;
  target[n] = '\0';
  errno = target[0] == '/' ? EXDEV : ELOOP;
  if (target[0] == '/' || ++way->links > MAX_LINKS)
    return FALSE;
  push_parts (way, target);
  return TRUE;
}

/* Takes one part of the path. *ret_fd is set when it was the last one. FALSE with errno. */
static gboolean
take_part (Way *way, int flags, int *ret_fd)
{
  g_autofree char *part = g_queue_pop_head (&way->left);
  struct stat st;
  int fd;

  if (strcmp (part, "..") == 0)
    {
      errno = EXDEV;
      if (way->folders->len == 1)
        return FALSE;
      close (last_folder (way));
      g_array_set_size (way->folders, way->folders->len - 1);
      return TRUE;
    }
  fd = openat (last_folder (way), part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  if (S_ISLNK (st.st_mode) && (way->left.length > 0 || (flags & O_NOFOLLOW) == 0))
    {
      gboolean ok = take_link (way, fd);
      int code = errno;

      close (fd);
      errno = code;
      return ok;
    }
  if (S_ISDIR (st.st_mode))
    {
      g_array_append_val (way->folders, fd);
      return TRUE;
    }
  close (fd);
  errno = ENOTDIR;
  if (way->left.length > 0)
    return FALSE;
  *ret_fd = openat (last_folder (way), part, flags | O_NOFOLLOW | O_CLOEXEC);
  return *ret_fd >= 0;
}

/* Opens a path beneath a folder, like openat2() with RESOLVE_BENEATH, which old kernels and some containers do not have. EXDEV: it
 * leads out. */
static int
open_beneath (int directory, const char *path, int flags)
{
  Way way = { G_QUEUE_INIT, g_array_new (FALSE, FALSE, sizeof (int)), 0 };
  gboolean ok = TRUE;
  int fd = -1, code;

  g_array_append_val (way.folders, directory);
  push_parts (&way, path);
  while (ok && way.left.length > 0)
    ok = take_part (&way, flags, &fd);
  if (ok && fd < 0)
    fd = openat (last_folder (&way), ".", flags | O_CLOEXEC);
  code = errno;
  for (guint i = 1; i < way.folders->len; i++)
    close (g_array_index (way.folders, int, i));
  g_array_unref (way.folders);
  g_queue_clear_full (&way.left, g_free);
  errno = code;
  return fd;
}

int
creel_build_context_open_path (CreelBuildContext *context, const char *path, int flags)
{
  return open_beneath (context->fd, path, flags | O_NOFOLLOW);
}

/* NULL without an error: there is none. */
static GBytes *
read_file (CreelBuildContext *context, const char *name, gsize max, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int fd = open_beneath (context->fd, name, O_RDONLY | O_NONBLOCK);
  struct stat st;
  gssize n;

  if (fd < 0 && errno == ENOENT)
    return NULL;
  if (fd < 0 && errno == EXDEV)
    {
      refuse (error, "%s leads out of the folder", name);
      return NULL;
    }
  if (fd < 0 || fstat (fd, &st) < 0)
    {
      refuse (error, "Cannot read %s: %s", name, g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  if (!S_ISREG (st.st_mode) || st.st_size > (off_t) max)
    {
      refuse (error, !S_ISREG (st.st_mode) ? "%s is not a file" : "%s is too large", name);
      close (fd);
      return NULL;
    }
  g_byte_array_set_size (bytes, (guint) st.st_size);
  n = st.st_size > 0 ? read (fd, bytes->data, (gsize) st.st_size) : 0;
  close (fd);
  if (n != st.st_size)
    {
      refuse (error, "Cannot read %s: %s", name, n < 0 ? g_strerror (errno) : "it changes");
      return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static const char *const containerfiles[] = { "Containerfile", "Dockerfile" };

static gboolean
read_ignore (CreelBuildContext *context, GError **error)
{
  static const char *const names[] = { "Containerfile.containerignore", "Containerfile.dockerignore", "Dockerfile.containerignore",
                                       "Dockerfile.dockerignore", ".containerignore", ".dockerignore" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) local_error = NULL;
      g_autoptr (GBytes) bytes = read_file (context, names[i], MAX_IGNORE, &local_error);

      if (bytes == NULL && local_error == NULL)
        continue;
      if (bytes != NULL)
        context->ignore = creel_build_ignore_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &local_error);
      if (context->ignore == NULL)
        {
          if (bytes != NULL)
            g_prefix_error (&local_error, "%s:", names[i]);
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      context->ignore_name = g_strdup (names[i]);
      return TRUE;
    }
  return TRUE;
}

CreelBuildContext *
creel_build_context_open (const char *folder, GError **error)
{
  g_autoptr (CreelBuildContext) context = g_new0 (CreelBuildContext, 1);

  context->fd = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (context->fd < 0)
    {
      g_autofree char *quoted = creel_image_quote (folder);

      refuse (error, "Cannot open the folder %s: %s", quoted, g_strerror (errno));
      return NULL;
    }
  return read_ignore (context, error) ? g_steal_pointer (&context) : NULL;
}

void
creel_build_context_free (CreelBuildContext *context)
{
  if (context->fd >= 0)
    close (context->fd);
  g_clear_pointer (&context->ignore, creel_build_ignore_free);
  g_free (context->ignore_name);
  g_free (context);
}

GBytes *
creel_build_context_read_containerfile (CreelBuildContext *context, const char **ret_name, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (containerfiles); i++)
    {
      g_autoptr (GError) local_error = NULL;
      GBytes *bytes = read_file (context, containerfiles[i], CREEL_CONTAINERFILE_MAX_BYTES, &local_error);

      if (bytes == NULL && local_error == NULL)
        continue;
      if (bytes == NULL)
        g_propagate_error (error, g_steal_pointer (&local_error));
      *ret_name = containerfiles[i];
      return bytes;
    }
  refuse (error, "There is no Containerfile and no Dockerfile in the folder");
  return NULL;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Names in a folder, sorted; NULL with errno. */
static GPtrArray *
list (CreelBuildContext *context, const char *path)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  int fd = creel_build_context_open_path (context, path, O_RDONLY | O_DIRECTORY);
  struct dirent *entry;
  DIR *dir;

  if (fd < 0)
    return NULL;
  dir = fdopendir (fd);
  if (dir == NULL)
    {
      close (fd);
      return NULL;
    }
  while ((entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (dir);
  g_ptr_array_sort (names, compare);
  return g_steal_pointer (&names);
}

static char *
join (const char *folder, const char *name)
{
  return *folder != '\0' ? g_strconcat (folder, "/", name, NULL) : g_strdup (name);
}

char *
creel_build_context_follow (CreelBuildContext *context, const char *path)
{
  int fd = open_beneath (context->fd, path, O_PATH);
  g_autofree char *self = NULL;
  g_autofree char *root = NULL;
  g_autofree char *target = NULL;
  g_autofree char *base = NULL;
  gsize length;

  if (fd < 0)
    return NULL;
  self = g_strdup_printf ("/proc/self/fd/%d", fd);
  root = g_strdup_printf ("/proc/self/fd/%d", context->fd);
  target = g_file_read_link (self, NULL);
  base = g_file_read_link (root, NULL);
  close (fd);
  length = base != NULL ? strlen (base) : 0;
  if (target != NULL && base != NULL && g_str_has_prefix (target, base))
    {
      if (target[length] == '\0')
        return g_strdup ("");
      if (length == 1 || target[length] == '/')
        return g_strdup (target + length + (length > 1));
    }
  errno = ENOENT; /* it was renamed or deleted meanwhile */
  return NULL;
}

/* What .dockerignore says; a folder that may hold exceptions is for the walk to look through. */
static gboolean
is_left_out (CreelBuildContext *context, const char *path)
{
  int fd;

  if (!creel_build_ignore_matches (context->ignore, path))
    return FALSE;
  if (!creel_build_ignore_has_exceptions (context->ignore))
    return TRUE;
  fd = open_beneath (context->fd, path, O_PATH | O_DIRECTORY);
  if (fd >= 0)
    close (fd);
  return fd < 0;
}

static void
match_rest (CreelBuildContext *context, const char *folder, char **rest, GPtrArray *found)
{
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *real = NULL;

  if (*rest == NULL)
    {
      g_ptr_array_add (found, g_strdup (folder));
      return;
    }
  if (!creel_glob_is_pattern (*rest))
    {
      g_autofree char *path = join (folder, *rest);

      match_rest (context, path, rest + 1, found);
      return;
    }
  real = creel_build_context_follow (context, folder);
  names = real != NULL ? list (context, real) : NULL;
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = NULL;

      if (!g_utf8_validate (names->pdata[i], -1, NULL) || !creel_glob_match (*rest, names->pdata[i], FALSE))
        continue;
      path = join (folder, names->pdata[i]);
      match_rest (context, path, rest + 1, found);
    }
}

GPtrArray *
creel_build_context_find (CreelBuildContext *context, const char *source, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  g_autofree char *quoted = creel_image_quote (source);
  g_auto (GStrv) words = g_strsplit (source, "/", -1);

  for (char **word = words; *word != NULL; word++)
    {
      if (**word == '\0' || g_str_equal (*word, "."))
        continue;
      if (g_str_equal (*word, ".."))
        {
          refuse (error, "%s leads out of the folder; only what is in it can be copied", quoted);
          return NULL;
        }
      g_ptr_array_add (parts, *word);
    }
  g_ptr_array_add (parts, NULL);
  match_rest (context, "", (char **) parts->pdata, found);

  for (guint i = 0; i < found->len;)
    {
      char *path = found->pdata[i];
      g_autofree char *real = creel_build_context_follow (context, path);
      int code = errno;

      if (real != NULL && is_left_out (context, path))
        {
          if (creel_glob_is_pattern (source))
            {
              g_ptr_array_remove_index (found, i);
              continue;
            }
          refuse (error, "%s is left out by %s", quoted, context->ignore_name);
          return NULL;
        }
      if (real != NULL)
        {
          i++;
          continue;
        }
      if (code == EXDEV)
        refuse (error, "%s leads out of the folder; only what is in it can be copied", quoted);
      else if (code == ENOENT || code == ENOTDIR)
        refuse (error, "There is no %s in the folder", quoted);
      else
        refuse (error, "Cannot look for %s: %s", quoted, g_strerror (code));
      return NULL;
    }
  if (found->len == 0)
    {
      refuse (error, "Nothing in the folder matches %s", quoted);
      return NULL;
    }
  return g_steal_pointer (&found);
}

/* Folders that are left out, but may hold what is not, are told when something in them is. */
typedef struct
{
  CreelBuildContext *context;
  CreelBuildContextFunc func;
  gpointer user_data;
} Walk;

typedef struct _Level
{
  struct _Level *parent;
  const char *path, *name;
  const struct stat *st;
  gboolean told;
} Level;

static gboolean
tell (Walk *walk, Level *level, GError **error)
{
  if (level == NULL || level->told)
    return TRUE;
  level->told = TRUE;
  return tell (walk, level->parent, error) && walk->func (level->path, level->name, level->st, NULL, walk->user_data, error);
}

static gboolean
walk_folder (Walk *walk, const char *folder, const char *base, Level *level, int depth, GError **error)
{
  g_autoptr (GPtrArray) names = list (walk->context, folder);

  if (names == NULL || depth > MAX_DEPTH)
    {
      g_autofree char *quoted = creel_image_quote (*folder != '\0' ? folder : ".");

      return refuse (error, "Cannot read %s: %s", quoted, names == NULL ? g_strerror (errno) : "too many folders inside each other");
    }
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = join (folder, names->pdata[i]);
      g_autofree char *name = join (base, names->pdata[i]);
      gboolean ignored = creel_build_ignore_matches (walk->context->ignore, path);
      char target[4096];
      const char *link = NULL;
      struct stat st;
      gssize n = 0;
      int fd;

      if (ignored && !creel_build_ignore_has_exceptions (walk->context->ignore))
        continue;
      fd = creel_build_context_open_path (walk->context, path, O_PATH);
      if (fd < 0 || fstat (fd, &st) < 0 || (S_ISLNK (st.st_mode) && (n = readlinkat (fd, "", target, sizeof target - 1)) < 0))
        {
          int code = errno;
          g_autofree char *quoted = creel_image_quote (path);

          if (fd >= 0)
            close (fd);
          return refuse (error, "Cannot read %s: %s", quoted, g_strerror (code));
        }
      close (fd);
      if (S_ISLNK (st.st_mode))
        {
          target[n] = '\0';
          link = target;
        }
      if (S_ISDIR (st.st_mode))
        {
          Level own = { level, path, name, &st, FALSE };

          if ((!ignored && !tell (walk, &own, error)) || !walk_folder (walk, path, name, &own, depth + 1, error))
            return FALSE;
        }
      else if (!ignored && (!tell (walk, level, error) || !walk->func (path, name, &st, link, walk->user_data, error)))
        return FALSE;
    }
  return TRUE;
}

gboolean
creel_build_context_walk (CreelBuildContext *context, const char *path, CreelBuildContextFunc func, gpointer user_data, GError **error)
{
  Walk walk = { context, func, user_data };

  return walk_folder (&walk, path, "", NULL, 0, error);
}
