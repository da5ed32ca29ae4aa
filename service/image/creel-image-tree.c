/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-tree.h"
#include "creel-error.h"
#include "creel-image-report.h"
#include <string.h>
#include <sys/stat.h>

#define MAX_NAME 255
#define MAX_PATH 4000
#define MAX_DEPTH 1000
#define MAX_LINKS 40
#define MAX_XATTRS 64
#define MAX_XATTR_SIZE (64 * 1024)
#define MAX_METADATA                                                                               \
  (G_GUINT64_CONSTANT (512) << 20) /* names, targets and attributes, in memory                     \
                                    */
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct _CreelImageTree
{
  CreelImageNode *root;
  guint layer;
  gboolean whiteouts;
  guint entries;
  guint64 metadata;
};

/* ---- inodes and nodes ---- */

static void
xattr_free (gpointer data)
{
  CreelImageXattr *xattr = data;

  g_bytes_unref (xattr->value);
  g_free (xattr);
}

static CreelImageInode *
inode_new (guint mode, guint layer)
{
  CreelImageInode *inode = g_new0 (CreelImageInode, 1);

  inode->refs = 1;
  inode->mode = mode;
  inode->layer = layer;
  return inode;
}

static void
inode_unref (CreelImageInode *inode)
{
  if (--inode->refs > 0)
    return;
  g_free (inode->target);
  g_clear_pointer (&inode->xattrs, g_ptr_array_unref);
  g_free (inode);
}

/* As deep as MAX_DEPTH at most. */
static void
node_free (gpointer data)
{
  CreelImageNode *node = data;

  g_clear_pointer (&node->children, g_hash_table_unref);
  inode_unref (node->inode);
  g_free (node);
}

/* Takes the reference on inode. */
static CreelImageNode *
node_new (CreelImageNode *parent, const char *name, CreelImageInode *inode, guint layer)
{
  gsize length = strlen (name);
  CreelImageNode *node = g_malloc0 (sizeof *node + length + 1);

  memcpy (node->name, name, length);
  node->parent = parent;
  node->inode = inode;
  node->layer = layer;
  if (parent != NULL)
    {
      node->depth = parent->depth + 1;
      node->path_length = parent->path_length + length + 1;
    }
  if (S_ISDIR (inode->mode))
    node->children = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, node_free);
  return node;
}

CreelImageTree *
creel_image_tree_new (void)
{
  CreelImageTree *self = g_new0 (CreelImageTree, 1);

  self->root = node_new (NULL, "", inode_new (S_IFDIR | 0755, 0), 0);
  return self;
}

void
creel_image_tree_free (CreelImageTree *self)
{
  node_free (self->root);
  g_free (self);
}

void
creel_image_tree_begin_layer (CreelImageTree *self, gboolean whiteouts)
{
  self->layer++;
  self->whiteouts = whiteouts;
}

const CreelImageNode *
creel_image_tree_get_root (CreelImageTree *self)
{
  return self->root;
}

char *
creel_image_node_path (const CreelImageNode *node)
{
  gsize end = node->path_length > 0 ? node->path_length - 1 : 0;
  char *path = g_malloc (end + 1);

  path[end] = '\0';
  for (; node->parent != NULL; node = node->parent)
    {
      gsize length = strlen (node->name);

      end -= length;
      memcpy (path + end, node->name, length);
      if (end > 0)
        path[--end] = '/';
    }
  return path;
}

static gboolean
refuse (GError **error, const char *path, const char *why)
{
  g_autofree char *quoted = creel_image_quote (path);

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The archive holds %s, %s", quoted, why);
  return FALSE;
}

/* ---- paths ---- */

/* Whether a path of the archive may be used at all. Absolute ones are relative to the image. */
static gboolean
check_path (const char *path, GError **error)
{
  if (strlen (path) > MAX_PATH)
    return refuse (error, path, "whose name is too long");
  for (const char *p = path; *p != '\0';)
    {
      gsize length = strcspn (p, "/");

      if (length == 2 && p[0] == '.' && p[1] == '.')
        return refuse (error, path, "which leads out of the image with “..”");
      if (length > MAX_NAME)
        return refuse (error, path, "which has a name of more than 255 bytes");
      p += length;
      p += strspn (p, "/");
    }
  return TRUE;
}

/* Splits off the last name; NULL for the root. */
static char *
split_path (const char *path, char **ret_parent)
{
  g_autofree char *copy = g_strdup (path);
  gsize length = strlen (copy);
  char *slash;

  for (;;)
    {
      while (length > 0 && copy[length - 1] == '/')
        copy[--length] = '\0';
      if (length == 0 || g_str_equal (copy, "."))
        return NULL;
      if (length >= 2 && g_str_has_suffix (copy, "/."))
        copy[--length] = '\0';
      else
        break;
    }
  slash = strrchr (copy, '/');
  if (slash == NULL)
    {
      *ret_parent = g_strdup ("");
      return g_steal_pointer (&copy);
    }
  *ret_parent = g_strndup (copy, slash - copy);
  return g_strdup (slash + 1);
}

/* Replaces or makes a child. Takes inode, also when it fails. */
static CreelImageNode *
put_child (CreelImageTree *self, CreelImageNode *parent, const char *name, CreelImageInode *inode,
           GError **error)
{
  CreelImageNode *node;

  if (parent->depth >= MAX_DEPTH || parent->path_length + strlen (name) > MAX_PATH)
    {
      inode_unref (inode);
      refuse (error, name, "in directories that are nested too deep");
      return NULL;
    }
  node = node_new (parent, name, inode, self->layer);
  /* _replace, as the key lives in the node. */
  g_hash_table_replace (parent->children, node->name, node);
  return node;
}

/* The directory that a path means, inside this tree alone: symbolic links start at its root and
 * ".." ends there. With make, what is missing is made and what is no directory is replaced; else
 * NULL without an error when there is no such directory. */
static gboolean
walk (CreelImageTree *self, const char *path, gboolean make, CreelImageNode **ret_node,
      GError **error)
{
  g_autoptr (GString) rest = g_string_new (path);
  CreelImageNode *node = self->root;
  guint links = 0;
  gsize position = 0;

  *ret_node = NULL;
  while (position < rest->len)
    {
      gsize length = strcspn (rest->str + position, "/");
      g_autofree char *name = g_strndup (rest->str + position, length);
      CreelImageNode *child;

      position += length;
      position += strspn (rest->str + position, "/");
      if (*name == '\0' || g_str_equal (name, "."))
        continue;
      if (g_str_equal (name, ".."))
        {
          node = node->parent != NULL ? node->parent : node;
          continue;
        }
      child = g_hash_table_lookup (node->children, name);
      if (child != NULL && S_ISLNK (child->inode->mode))
        {
          if (++links > MAX_LINKS)
            return refuse (error, path, "below a loop of symbolic links");
          g_string_erase (rest, 0, position);
          g_string_prepend (rest, "/");
          g_string_prepend (rest, child->inode->target);
          position = strspn (rest->str, "/");
          if (position > 0)
            node = self->root;
          continue;
        }
      if (child == NULL || child->children == NULL)
        {
          if (!make)
            return TRUE;
          if (strlen (name) > MAX_NAME)
            return refuse (error, path, "below a symbolic link with a name of more than 255 bytes");
          /* Counted: links that lead to ever new directories would make more of them than entries.
           */
          if (++self->entries > CREEL_IMAGE_MAX_ENTRIES)
            return refuse (error, path, "and too many other files");
          child = put_child (self, node, name, inode_new (S_IFDIR | 0755, self->layer), error);
          if (child == NULL)
            return FALSE;
        }
      node = child;
    }
  *ret_node = node;
  return TRUE;
}

const CreelImageNode *
creel_image_tree_find (CreelImageTree *self, const char *path)
{
  g_autofree char *parent = NULL;
  g_autofree char *name = split_path (path, &parent);
  CreelImageNode *directory;

  if (name == NULL)
    return self->root;
  if (!walk (self, parent, FALSE, &directory, NULL) || directory == NULL)
    return NULL;
  return g_hash_table_lookup (directory->children, name);
}

/* ---- whiteouts ---- */

static gboolean
remove_lower_child (gpointer name, gpointer child, gpointer user_data)
{
  CreelImageTree *self = user_data;
  CreelImageNode *node = child;

  if (node->children != NULL)
    g_hash_table_foreach_remove (node->children, remove_lower_child, self);
  return node->layer < self->layer &&
         (node->children == NULL || g_hash_table_size (node->children) == 0);
}

/* A whiteout hides what lower layers have, not what its own layer has, in whichever order they
 * come. */
static gboolean
apply_whiteout (CreelImageTree *self, const char *path, const char *parent, const char *name,
                GError **error)
{
  CreelImageNode *directory, *child;

  if (!walk (self, parent, FALSE, &directory, error))
    return FALSE;
  if (g_str_equal (name, OPAQUE))
    {
      if (directory != NULL)
        g_hash_table_foreach_remove (directory->children, remove_lower_child, self);
      return TRUE;
    }
  if (g_str_has_prefix (name, WHITEOUT WHITEOUT)) /* notes of AUFS to itself */
    return TRUE;
  name += strlen (WHITEOUT);
  if (*name == '\0' || g_str_equal (name, ".") || g_str_equal (name, ".."))
    return refuse (error, path, "a whiteout of nothing");
  child = directory != NULL ? g_hash_table_lookup (directory->children, name) : NULL;
  if (child != NULL && remove_lower_child (child->name, child, self))
    g_hash_table_remove (directory->children, child->name);
  return TRUE;
}

/* ---- entries ---- */

static gboolean
take_xattrs (CreelImageTree *self, CreelImageInode *inode, struct archive_entry *entry,
             GError **error)
{
  const char *name;
  const void *value;
  size_t size;

  archive_entry_xattr_reset (entry);
  while (archive_entry_xattr_next (entry, &name, &value, &size) == ARCHIVE_OK)
    {
      CreelImageXattr *xattr;

      if (!g_str_has_prefix (name, "user.") && !g_str_equal (name, "security.capability"))
        continue;
      if (inode->xattrs == NULL)
        inode->xattrs = g_ptr_array_new_with_free_func (xattr_free);
      if (inode->xattrs->len >= MAX_XATTRS || size > MAX_XATTR_SIZE || strlen (name) > MAX_NAME)
        return refuse (error, archive_entry_pathname (entry),
                       "which has too many or too large extended attributes");
      self->metadata += size + strlen (name);
      xattr = g_malloc (sizeof *xattr + strlen (name) + 1);
      strcpy (xattr->name, name);
      xattr->value = g_bytes_new (value, size);
      g_ptr_array_add (inode->xattrs, xattr);
    }
  return TRUE;
}

static CreelImageInode *
inode_from_entry (CreelImageTree *self, struct archive_entry *entry, guint index, guint16 machine,
                  GError **error)
{
  CreelImageInode *inode = inode_new (
      archive_entry_filetype (entry) | (archive_entry_perm (entry) & 07777), self->layer);
  gint64 uid = archive_entry_uid (entry), gid = archive_entry_gid (entry);

  inode->uid = uid;
  inode->gid = gid;
  /* squashfs has 32 bits. */
  inode->mtime = CLAMP (archive_entry_mtime (entry), 0, G_MAXUINT32);
  inode->index = index;
  inode->machine = machine;
  if (S_ISREG (inode->mode))
    inode->size = archive_entry_size (entry);
  if (S_ISLNK (inode->mode))
    inode->target = g_strdup (archive_entry_symlink (entry));

  if (uid < 0 || uid > G_MAXUINT32 - 1 || gid < 0 || gid > G_MAXUINT32 - 1)
    refuse (error, archive_entry_pathname (entry), "whose owner is not a number that Linux knows");
  else if (S_ISREG (inode->mode) && archive_entry_size (entry) < 0)
    refuse (error, archive_entry_pathname (entry), "whose size is negative");
  else if (S_ISLNK (inode->mode) &&
           (inode->target == NULL || *inode->target == '\0' || strlen (inode->target) > MAX_PATH))
    refuse (error, archive_entry_pathname (entry), "a symbolic link that leads nowhere");
  else if (take_xattrs (self, inode, entry, error))
    return inode;
  inode_unref (inode);
  return NULL;
}

static gboolean
add_hardlink (CreelImageTree *self, CreelImageNode *directory, const char *name, const char *path,
              const char *target, GError **error)
{
  const CreelImageNode *node;

  if (!check_path (target, error))
    return FALSE;
  node = creel_image_tree_find (self, target);
  if (node == NULL)
    return refuse (error, path, "a hard link to something that is not in the image");
  if (node->children != NULL)
    return refuse (error, path, "a hard link to a directory");
  if (node == g_hash_table_lookup (directory->children, name))
    return TRUE;
  node->inode->refs++;
  return put_child (self, directory, name, node->inode, error) != NULL;
}

gboolean
creel_image_tree_add (CreelImageTree *self, struct archive_entry *entry, guint index,
                      guint16 machine, GError **error)
{
  const char *path = archive_entry_pathname (entry);
  const char *target = archive_entry_hardlink (entry);
  g_autofree char *parent = NULL;
  g_autofree char *name = NULL;
  CreelImageNode *directory, *old;
  CreelImageInode *inode;
  guint type = archive_entry_filetype (entry);

  if (path == NULL)
    return refuse (error, "a name", "which cannot be read");
  self->metadata += strlen (path) + (type == AE_IFLNK && archive_entry_symlink (entry) != NULL
                                         ? strlen (archive_entry_symlink (entry))
                                         : 0);
  if (++self->entries > CREEL_IMAGE_MAX_ENTRIES || self->metadata > MAX_METADATA)
    return refuse (error, path, "and too many other files");
  if (!check_path (path, error))
    return FALSE;
  name = split_path (path, &parent);
  if (name == NULL)
    {
      if (target != NULL || type != AE_IFDIR)
        return refuse (error, path, "which would replace the root directory");
      inode = inode_from_entry (self, entry, index, 0, error);
      if (inode == NULL)
        return FALSE;
      inode_unref (self->root->inode);
      self->root->inode = inode;
      return TRUE;
    }
  if (self->whiteouts && g_str_has_prefix (name, WHITEOUT))
    return apply_whiteout (self, path, parent, name, error);

  if (!walk (self, parent, TRUE, &directory, error))
    return FALSE;
  if (target != NULL)
    return add_hardlink (self, directory, name, path, target, error);

  old = g_hash_table_lookup (directory->children, name);
  if (type != AE_IFREG && type != AE_IFLNK && type != AE_IFDIR && type != AE_IFIFO)
    {
      g_hash_table_remove (directory->children, name);
      return TRUE;
    }
  inode = inode_from_entry (self, entry, index, machine, error);
  if (inode == NULL)
    return FALSE;
  if (type == AE_IFDIR && old != NULL && old->children != NULL)
    {
      inode_unref (old->inode);
      old->inode = inode;
      old->layer = self->layer;
      return TRUE;
    }
  return put_child (self, directory, name, inode, error) != NULL;
}

/* ---- the result ---- */

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(CreelImageNode *const *)a)->name, (*(CreelImageNode *const *)b)->name);
}

static gint
compare_data (gconstpointer a, gconstpointer b)
{
  const CreelImageInode *x = (*(CreelImageNode *const *)a)->inode,
                        *y = (*(CreelImageNode *const *)b)->inode;

  if (x->layer != y->layer)
    return x->layer < y->layer ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

static void
note_program (CreelImageList *list, const CreelImageInode *inode, guint16 machine)
{
  if ((inode->mode & 0111) == 0)
    return;
  list->programs++;
  if (inode->machine == machine && machine != 0)
    list->native++;
  else if (inode->machine != 0)
    {
      list->foreign++;
      list->foreign_machine = inode->machine;
    }
}

static void
list_node (CreelImageList *list, CreelImageNode *node, guint16 machine)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, node->children);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (children, value);
  g_ptr_array_sort (children, compare_names);

  for (guint i = 0; i < children->len; i++)
    {
      CreelImageNode *child = children->pdata[i];
      CreelImageInode *inode = child->inode;

      if (!S_ISREG (inode->mode))
        g_ptr_array_add (list->plain, child);
      else if (inode->first != NULL)
        g_ptr_array_add (list->links, child);
      else
        {
          inode->first = child;
          g_ptr_array_add (list->files, child);
          list->size += inode->size;
          note_program (list, inode, machine);
        }
      if (child->children != NULL)
        list_node (list, child, machine);
    }
}

static void
forget_first (CreelImageNode *node)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, node->children);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      CreelImageNode *child = value;

      child->inode->first = NULL;
      if (child->children != NULL)
        forget_first (child);
    }
}

CreelImageList *
creel_image_tree_list (CreelImageTree *self, guint16 machine)
{
  static const char *const bins[] = { "bin", "usr/bin", "sbin", "usr/sbin" };
  CreelImageList *list = g_new0 (CreelImageList, 1);

  list->plain = g_ptr_array_new ();
  list->files = g_ptr_array_new ();
  list->links = g_ptr_array_new ();
  forget_first (self->root);
  list_node (list, self->root, machine);
  g_ptr_array_sort (list->files, compare_data);
  for (guint i = 0; i < G_N_ELEMENTS (bins); i++)
    list->has_bin |= creel_image_tree_find (self, bins[i]) != NULL;
  return list;
}

void
creel_image_list_free (CreelImageList *list)
{
  g_ptr_array_unref (list->plain);
  g_ptr_array_unref (list->files);
  g_ptr_array_unref (list->links);
  g_free (list);
}
