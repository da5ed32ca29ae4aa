/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init-layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "init-own.h"
#include "init-tar.h"
#include "init.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define PATH_LENGTH_MAX (64 * 1024)

typedef struct
{
  ino_t inode; /* 0: none */
  char *path;
} Link;

typedef struct
{
  const LayerSource *source;
  Tar tar;
  char path[PATH_LENGTH_MAX]; /* of what is being looked at, relative, without '/' at the end */
  size_t length;
  Link *links; /* files with several names, by inode: open addressing, a power of two */
  size_t n_links;
  size_t size_links;
  size_t n_unnamed; /* left out for their names */
} Layer;

/* The names of a directory, in order: the same tree makes the same stream. */
typedef struct
{
  char *bytes;
  size_t length;
  char **items;
  size_t n;
} Names;

static int
compare_names (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
names_clear (Names *names)
{
  free (names->bytes);
  free (names->items);
}

/* Leaves fd open. */
static bool
names_read (Names *names, int fd)
{
  int copy = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy < 0 ? NULL : fdopendir (copy);
  size_t size = 0;
  const struct dirent *entry;
  size_t at = 0;

  *names = (Names){ 0 };
  if (dir == NULL)
    {
      if (copy >= 0)
        close (copy);
      return false;
    }
  while ((errno = 0, entry = readdir (dir)) != NULL)
    {
      size_t length = strlen (entry->d_name) + 1;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (size - names->length < length)
        {
          char *grown = realloc (names->bytes, size = size * 2 + 4096);

          if (grown == NULL)
            break;
          names->bytes = grown;
        }
      memcpy (names->bytes + names->length, entry->d_name, length);
      names->length += length;
      names->n++;
    }
  if (errno == 0 && names->n > 0 && (names->items = calloc (names->n, sizeof *names->items)) != NULL)
    {
      for (size_t i = 0; i < names->n; i++, at += strlen (names->bytes + at) + 1)
        names->items[i] = names->bytes + at;
      qsort (names->items, names->n, sizeof *names->items, compare_names);
    }
  else if (errno != 0 || names->n > 0)
    {
      int code = errno != 0 ? errno : ENOMEM;

      closedir (dir);
      names_clear (names);
      errno = code;
      return false;
    }
  closedir (dir);
  return true;
}

static bool
fail (Layer *layer, const char *what)
{
  say ("save: cannot %s /%.200s: %s", what, layer->path, strerror (errno));
  if (layer->tar.code == 0)
    layer->tar.code = errno != 0 ? errno : EIO;
  return false;
}

/* Returns the length to go back to, SIZE_MAX when the path is too long. */
static size_t
path_push (Layer *layer, const char *name)
{
  size_t before = layer->length, n = strlen (name);

  if (layer->length + n + 2 > sizeof layer->path)
    return errno = ENAMETOOLONG, fail (layer, "read what is in"), SIZE_MAX;
  if (layer->length > 0)
    layer->path[layer->length++] = '/';
  memcpy (layer->path + layer->length, name, n + 1);
  layer->length += n;
  return before;
}

static void
path_pop (Layer *layer, size_t before)
{
  layer->length = before;
  layer->path[before] = '\0';
}

static bool
is_mount_point (const Layer *layer)
{
  for (size_t i = 0; i < layer->source->n_mounts; i++)
    if (strcmp (layer->source->mounts[i], layer->path) == 0)
      return true;
  return false;
}

static bool
leads_to_mount_point (const Layer *layer)
{
  for (size_t i = 0; i < layer->source->n_mounts; i++)
    if (strncmp (layer->source->mounts[i], layer->path, layer->length) == 0 && layer->source->mounts[i][layer->length] == '/')
      return true;
  return false;
}

/* Whether a directory that the image does not have holds nothing but ways to mount points. */
static bool
is_only_a_way (Layer *layer, int fd)
{
  bool only = leads_to_mount_point (layer);
  struct stat st;
  Names names;

  if (!only || own_stat_lower (layer->source->lower, layer->path, &st) || !names_read (&names, fd))
    return false;
  for (size_t i = 0; i < names.n && only; i++)
    {
      size_t before = path_push (layer, names.items[i]);
      int child = -1;

      if (before == SIZE_MAX)
        only = false;
      else if (!is_mount_point (layer))
        {
          child = openat (fd, names.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          only = child >= 0 && is_only_a_way (layer, child);
        }
      if (child >= 0)
        close (child);
      if (before != SIZE_MAX)
        path_pop (layer, before);
    }
  names_clear (&names);
  return only;
}

static size_t
link_slot (const Link *links, size_t size, ino_t inode)
{
  size_t at = (size_t) (inode * 0x9e3779b97f4a7c15u >> 20) & (size - 1);

  while (links[at].inode != 0 && links[at].inode != inode)
    at = (at + 1) & (size - 1);
  return at;
}

/* The first name that the file had, or NULL: then this one is its first. */
static const char *
find_link (Layer *layer, ino_t inode)
{
  size_t slot;

  if (layer->n_links * 2 >= layer->size_links)
    {
      size_t size = layer->size_links == 0 ? 256 : layer->size_links * 2;
      Link *grown = calloc (size, sizeof *grown);

      if (grown == NULL)
        return NULL; /* two files where there was one */
      for (size_t i = 0; i < layer->size_links; i++)
        if (layer->links[i].inode != 0)
          grown[link_slot (grown, size, layer->links[i].inode)] = layer->links[i];
      free (layer->links);
      layer->links = grown;
      layer->size_links = size;
    }
  slot = link_slot (layer->links, layer->size_links, inode);
  if (layer->links[slot].inode != 0)
    return layer->links[slot].path;
  layer->links[slot].path = strdup (layer->path);
  if (layer->links[slot].path != NULL)
    {
      layer->links[slot].inode = inode;
      layer->n_links++;
    }
  return NULL;
}

static TarEntry
make_entry (const char *name, char type, const struct stat *st)
{
  return (TarEntry){ .name = name, .type = type, .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .mtime = st->st_mtime };
}

static bool
add_file (Layer *layer, int dir, const char *name, struct stat *st)
{
  OwnKind kind = own_kind (layer->source, layer->path);
  TarEntry entry = make_entry (layer->path, '0', st);
  char *text = NULL;
  size_t length;
  bool done;
  int fd;

  if (kind == OWN_FILE)
    return true;
  fd = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
  if (fd < 0)
    return errno == ENOENT || fail (layer, "open");
  if (kind != OWN_NOT && own_cut (layer->source, layer->path, kind, fd, &text, &length))
    {
      /* what is left is the image's own file */
      close (fd);
      return free (text), true;
    }
  entry.size = text != NULL ? length : (uint64_t) st->st_size;
  if (text == NULL && st->st_nlink > 1)
    entry.link = find_link (layer, st->st_ino);
  if (entry.link != NULL)
    entry.type = '1';
  done = tar_add (&layer->tar, &entry, entry.link == NULL ? fd : -1);
  if (done && entry.link == NULL)
    done = text != NULL ? tar_add_bytes (&layer->tar, text, length) : tar_add_file (&layer->tar, fd, entry.size);
  close (fd);
  free (text);
  return done;
}

static bool
add_symlink (Layer *layer, int dir, const char *name, const struct stat *st)
{
  TarEntry entry = make_entry (layer->path, '2', st);
  char target[8192];
  ssize_t n = readlinkat (dir, name, target, sizeof target - 1);

  if (n < 0)
    return errno == ENOENT || fail (layer, "read");
  target[n] = '\0';
  entry.link = target;
  return tar_add (&layer->tar, &entry, -1);
}

/* An empty file: a whiteout of name, or the mark of an opaque directory. In the directory that is being looked at. */
static bool
add_mark (Layer *layer, const char *prefix, const char *name)
{
  size_t before = layer->length;
  char mark[512];
  TarEntry entry = { .type = '0', .mode = 0644 };
  bool done;

  snprintf (mark, sizeof mark, "%s%s", prefix, name);
  if (path_push (layer, mark) == SIZE_MAX)
    return false;
  entry.name = layer->path;
  done = tar_add (&layer->tar, &entry, -1);
  path_pop (layer, before);
  return done;
}

static bool add_directory_content (Layer *layer, int fd);

static bool
add_directory (Layer *layer, int dir, const char *name, struct stat *st)
{
  int fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
  TarEntry entry = make_entry (NULL, '5', st);
  size_t length = layer->length;
  struct stat below;
  char value[2];
  bool done = true;

  if (fd < 0)
    return errno == ENOENT || fail (layer, "open");
  if (is_only_a_way (layer, fd))
    return close (fd) == 0;
  /* a way that was opened for a share's user: open_the_way() */
  if (leads_to_mount_point (layer) && own_stat_lower (layer->source->lower, layer->path, &below) &&
      (st->st_mode & 07777) == ((below.st_mode & 07777) | 0011))
    entry.mode = below.st_mode;
  layer->path[length] = '/';
  layer->path[length + 1] = '\0';
  entry.name = layer->path;
  done = tar_add (&layer->tar, &entry, fd);
  layer->path[length] = '\0';
  if (done && fgetxattr (fd, "trusted.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y')
    done = add_mark (layer, "", OPAQUE);
  done = done && add_directory_content (layer, fd);
  close (fd);
  return done;
}

static bool
add (Layer *layer, int dir, const char *name)
{
  size_t before;
  struct stat st;
  bool done = true;

  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT || fail (layer, "look at what is in"); /* gone in the meantime */
  if (S_ISCHR (st.st_mode) && st.st_rdev == makedev (0, 0))
    return own_whiteout (layer->path, name) || add_mark (layer, WHITEOUT, name);
  if (strncmp (name, WHITEOUT, strlen (WHITEOUT)) == 0)
    {
      layer->n_unnamed++;
      return true;
    }
  before = path_push (layer, name);
  if (before == SIZE_MAX)
    return false;
  if (is_mount_point (layer) || own_directory (layer->path))
    ;
  else if (S_ISREG (st.st_mode))
    done = add_file (layer, dir, name, &st);
  else if (S_ISDIR (st.st_mode))
    done = add_directory (layer, dir, name, &st);
  else if (S_ISLNK (st.st_mode))
    done = add_symlink (layer, dir, name, &st);
  else if (S_ISFIFO (st.st_mode))
    {
      TarEntry entry = make_entry (layer->path, '6', &st);

      done = tar_add (&layer->tar, &entry, -1);
    }
  path_pop (layer, before);
  return done;
}

static bool
add_directory_content (Layer *layer, int fd)
{
  Names names;
  bool done = true;

  if (!names_read (&names, fd))
    return fail (layer, "read");
  for (size_t i = 0; i < names.n && done; i++)
    done = add (layer, fd, names.items[i]);
  names_clear (&names);
  return done;
}

int
layer_write (const LayerSource *source, int fd)
{
  Layer *layer = calloc (1, sizeof *layer);
  int code;

  if (layer == NULL)
    return ENOMEM;
  layer->source = source;
  if (tar_open (&layer->tar, fd) && add_directory_content (layer, source->upper))
    tar_close (&layer->tar);
  code = layer->tar.code;
  if (layer->n_unnamed > 0)
    say ("save: %zu files are left out, their names begin with " WHITEOUT, layer->n_unnamed);
  tar_clear (&layer->tar);
  for (size_t i = 0; i < layer->size_links; i++)
    free (layer->links[i].path);
  free (layer->links);
  free (layer);
  return code;
}
