/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree that results from applying layers, in memory: names and metadata, no data. */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gio/gio.h>

#define CREEL_IMAGE_MAX_ENTRIES 2000000

/* What several names may share (hard links). */
typedef struct
{
  guint refs;
  guint mode; /* type and permissions, as in st_mode */
  guint32 uid, gid;
  guint16 machine; /* e_machine of an ELF program, 0 for anything else */
  gint64 mtime;    /* seconds since the epoch */
  guint64 size;
  guint layer, index; /* where its data is: layer number, entry number in it */
  char *target;       /* of a symbolic link */
  GPtrArray *xattrs;  /* of CreelImageXattr, or NULL */
  gpointer
      first; /* CreelImageNode: its first name in the result, set by creel_image_tree_list () */
} CreelImageInode;

typedef struct
{
  GBytes *value;
  char name[];
} CreelImageXattr;

typedef struct _CreelImageNode
{
  struct _CreelImageNode *parent;
  CreelImageInode *inode;
  GHashTable *children; /* name -> CreelImageNode, directories only */
  guint layer;          /* the layer that named it last */
  guint16 depth, path_length;
  char name[];
} CreelImageNode;

typedef struct _CreelImageTree CreelImageTree;

CreelImageTree *creel_image_tree_new (void);
void creel_image_tree_free (CreelImageTree *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageTree, creel_image_tree_free)

/* The entries that follow are of the next layer; whiteouts: names that start with .wh. are those of
 * OCI. */
void creel_image_tree_begin_layer (CreelImageTree *self, gboolean whiteouts);

/* Applies one entry. index: its number in the layer; machine: see CreelImageInode.
 * BadImage for what no image may hold; devices and sockets are left out silently. */
gboolean creel_image_tree_add (CreelImageTree *self, struct archive_entry *entry, guint index,
                               guint16 machine, GError **error);

/* The result, in the order in which it is to be written: what has no data first, parents before
 * children, names sorted; then regular files in the order of their data; then further names of
 * files. Nodes are borrowed and valid until the next change. ret_size: bytes of all files. */
typedef struct
{
  GPtrArray *plain, *files, *links;
  guint64 size;
  guint programs, native, foreign; /* executable files; of those, ELF for machine and for others */
  guint16 foreign_machine;
  gboolean has_bin; /* a directory where a root file system keeps its programs */
} CreelImageList;

CreelImageList *creel_image_tree_list (CreelImageTree *self, guint16 machine);
void creel_image_list_free (CreelImageList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageList, creel_image_list_free)

/* The root directory. */
const CreelImageNode *creel_image_tree_get_root (CreelImageTree *self);
/* Path of a node without a leading slash; symbolic links are not followed, "" and "." are the root.
 */
char *creel_image_node_path (const CreelImageNode *node);
const CreelImageNode *creel_image_tree_find (CreelImageTree *self, const char *path);
