/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-tree.h"
#include "test-archive.h"
#include <locale.h>
#include <sys/stat.h>

/* Applies one layer, straight from entries: no archive between. */
static gboolean
apply (CreelImageTree *tree, const TestEntry *entries, GError **error)
{
  creel_image_tree_begin_layer (tree, TRUE);
  for (guint i = 0; entries[i].path != NULL; i++)
    {
      struct archive_entry *entry = archive_entry_new ();
      gboolean good;

      archive_entry_set_pathname (entry, entries[i].path);
      archive_entry_set_perm (entry, 0755);
      archive_entry_set_size (entry, 1);
      archive_entry_set_filetype (entry, entries[i].type == 'd'   ? AE_IFDIR
                                         : entries[i].type == 'l' ? AE_IFLNK
                                         : entries[i].type == 'c' ? AE_IFCHR
                                                                  : AE_IFREG);
      if (entries[i].type == 'l')
        archive_entry_set_symlink (entry, entries[i].data);
      if (entries[i].type == 'h')
        archive_entry_set_hardlink (entry, entries[i].data);
      good = creel_image_tree_add (tree, entry, i, 0, error);
      archive_entry_free (entry);
      if (!good)
        return FALSE;
    }
  return TRUE;
}

/* All paths of the result in their order, each with the layer of its data. */
static char *
show (CreelImageTree *tree)
{
  g_autoptr (CreelImageList) list = creel_image_tree_list (tree, 0);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GPtrArray *const parts[] = { list->plain, list->files, list->links };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    for (guint j = 0; j < parts[i]->len; j++)
      {
        const CreelImageNode *node = parts[i]->pdata[j];
        g_autofree char *path = creel_image_node_path (node);

        g_ptr_array_add (lines,
                         g_strdup_printf ("%s%s:%u", path, S_ISDIR (node->inode->mode) ? "/" : "",
                                          node->inode->layer));
      }
  g_ptr_array_add (lines, NULL);
  return g_strjoinv (" ", (char **)lines->pdata);
}

static void
check (const TestEntry *const *layers, const char *expected)
{
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *result = NULL;

  for (guint i = 0; layers[i] != NULL; i++)
    {
      apply (tree, layers[i], &error);
      g_assert_no_error (error);
    }
  result = show (tree);
  g_assert_cmpstr (result, ==, expected);
}

#define LAYER(...) ((const TestEntry[]){ __VA_ARGS__, { NULL, 0, NULL } })
#define CHECK(expected, ...) check ((const TestEntry *const[]){ __VA_ARGS__, NULL }, expected)

static void
test_whiteouts (void)
{
  CHECK ("d/:1 d/b:1", LAYER ({ "d", 'd' }, { "d/a", 'f' }, { "d/b", 'f' }),
         LAYER ({ "d/.wh.a", 'f' }));
  CHECK ("", LAYER ({ "d", 'd' }, { "d/a", 'f' }), LAYER ({ ".wh.d", 'f' }));
  /* opaque: only what is of this layer stays, in whichever order they come */
  CHECK ("d/:2 d/new:2", LAYER ({ "d", 'd' }, { "d/old", 'f' }),
         LAYER ({ "d", 'd' }, { "d/new", 'f' }, { "d/.wh..wh..opq", 'f' }));
  CHECK ("d/:2 d/new:2", LAYER ({ "d", 'd' }, { "d/old", 'f' }),
         LAYER ({ "d", 'd' }, { "d/.wh..wh..opq", 'f' }, { "d/new", 'f' }));
  /* a whiteout does not hide its own layer */
  CHECK ("a:2", LAYER ({ "a", 'f' }), LAYER ({ "a", 'f' }, { ".wh.a", 'f' }));
  CHECK ("d/:1 d/x:2", LAYER ({ "d", 'd' }, { "d/y", 'f' }),
         LAYER ({ "d/x", 'f' }, { ".wh.d", 'f' }));
  /* nothing there, and AUFS's notes */
  CHECK ("a:1", LAYER ({ "a", 'f' }),
         LAYER ({ ".wh.b", 'f' }, { "no/.wh.b", 'f' }, { ".wh..wh.plnk", 'd' }));
}

static void
test_replace (void)
{
  CHECK ("a:2", LAYER ({ "a", 'd' }, { "a/b", 'f' }), LAYER ({ "a", 'f' }));
  CHECK ("a/:2 a/b:2", LAYER ({ "a", 'f' }), LAYER ({ "a", 'd' }, { "a/b", 'f' }));
  CHECK ("a/:2 a/b:1", LAYER ({ "a", 'd' }, { "a/b", 'f' }), LAYER ({ "a/", 'd' }));
  CHECK ("a:1", LAYER ({ "a", 'f' }, { "./a", 'f' }, { "/a", 'f' }, { "././/a", 'f' }));
  CHECK ("a:2", LAYER ({ "a", 'l', "b" }), LAYER ({ "a", 'f' }));
  CHECK ("a/:2 a/b:2", LAYER ({ "a", 'f' }), LAYER ({ "a/b", 'f' }));
}

static void
test_hardlinks (void)
{
  CHECK ("a:1 b:1", LAYER ({ "a", 'f' }, { "b", 'h', "a" }));
  /* the other name keeps the data of its time */
  CHECK ("b:1 a:2", LAYER ({ "a", 'f' }, { "b", 'h', "a" }), LAYER ({ "a", 'f' }));
  CHECK ("b:1", LAYER ({ "a", 'f' }), LAYER ({ "b", 'h', "./a" }, { ".wh.a", 'f' }));
  CHECK ("a:1", LAYER ({ "a", 'f' }, { "a", 'h', "/a" }));
}

static void
test_symlink_parents (void)
{
  CHECK ("lib:1 usr/:1 usr/lib/:1 usr/lib/x:2",
         LAYER ({ "usr/lib", 'd' }, { "lib", 'l', "usr/lib" }), LAYER ({ "lib/x", 'f' }));
  /* absolute ones and ".." end at the image's own root */
  CHECK ("etc/:1 up:1 etc/passwd:1",
         LAYER ({ "up", 'l', "../../../../etc" }, { "up/passwd", 'f' }));
  CHECK ("etc/:1 up:1 etc/passwd:1", LAYER ({ "up", 'l', "/etc" }, { "up/passwd", 'f' }));
  /* the last name is never followed */
  CHECK ("a:1", LAYER ({ "a", 'l', "/etc/passwd" }, { "a", 'f' }));
}

static void
test_devices (void)
{
  CHECK ("dev/:1", LAYER ({ "dev", 'd' }, { "dev/sda", 'c' }));
  CHECK ("dev/:1", LAYER ({ "dev", 'd' }, { "dev/x", 'f' }), LAYER ({ "dev/x", 'c' }));
}

static void
refused (const TestEntry *entries, const char *text)
{
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (apply (tree, entries, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  if (strstr (error->message, text) == NULL || strchr (error->message, '\n') != NULL)
    g_error ("“%s” should say “%s”", error->message, text);
}

static void
test_refused (void)
{
  g_autofree char *name = g_strnfill (256, 'n');
  g_autofree char *path = g_strnfill (5000, '/');
  g_autoptr (GString) deep = g_string_new (NULL);

  path[4999] = 'x';
  for (guint i = 0; i < 1500; i++)
    g_string_append (deep, "d/");
  refused (LAYER ({ "../x", 'f' }), "leads out of the image");
  refused (LAYER ({ "a/../../x", 'f' }), "leads out of the image");
  refused (LAYER ({ "a/..", 'd' }), "leads out of the image");
  refused (LAYER ({ "x", 'h', "../../etc/passwd" }), "leads out of the image");
  refused (LAYER ({ "x", 'h', "/etc/shadow" }), "not in the image");
  refused (LAYER ({ "d", 'd' }, { "x", 'h', "d" }), "hard link to a directory");
  refused (LAYER ({ "a", 'l', "b" }, { "b", 'l', "a" }, { "a/x", 'f' }), "loop of symbolic links");
  refused (LAYER ({ name, 'f' }), "255 bytes");
  refused (LAYER ({ path, 'f' }), "too long");
  refused (LAYER ({ deep->str, 'd' }), "too deep");
  refused (LAYER ({ ".", 'f' }), "root directory");
  refused (LAYER ({ ".wh.", 'f' }), "whiteout of nothing");
  refused (LAYER ({ "a\n../x\x1b[2J/..", 'f' }), "\\x0a");
}

/* A symbolic link to a long path of its own makes deep trees with short names. */
static void
test_deep_by_links (void)
{
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) path = g_string_new (NULL);

  for (guint i = 0; i < 400; i++)
    g_string_append (path, "dd/");
  g_assert_true (apply (tree, LAYER ({ path->str, 'd' }), &error));
  g_assert_true (apply (tree, LAYER ({ "l", 'l', path->str }), &error));
  g_string_prepend (path, "l/");
  g_assert_true (apply (tree, LAYER ({ path->str, 'd' }), &error));
  g_assert_true (apply (tree, LAYER ({ "m", 'l', path->str }), &error));
  g_string_overwrite (path, 0, "m/");
  g_assert_false (apply (tree, LAYER ({ path->str, 'd' }), &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/tree/whiteouts", test_whiteouts);
  g_test_add_func ("/image/tree/replace", test_replace);
  g_test_add_func ("/image/tree/hardlinks", test_hardlinks);
  g_test_add_func ("/image/tree/symlink-parents", test_symlink_parents);
  g_test_add_func ("/image/tree/devices", test_devices);
  g_test_add_func ("/image/tree/refused", test_refused);
  g_test_add_func ("/image/tree/deep-by-links", test_deep_by_links);
  return g_test_run ();
}
