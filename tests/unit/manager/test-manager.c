/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "creel-auth.h"
#include "creel-callers.h"
#include "creel-create.h"
#include "creel-dispatch.h"
#include "creel-error.h"
#include "creel-exec.h"
#include "creel-image-collect.h"
#include "creel-image-store.h"
#include "creel-network-check.h"
#include "creel-network.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"
#include "creel-secret-log.h"
#include "creel-worker-lines.h"
#include "creel-worker-unit.h"

#define ID_HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Every method of every public interface has an action and a handler, or nobody may call it. */
static void
test_table (void)
{
  const char *interfaces[] = { "Manager", "Models", "Engines", "AgentManager", "Sandbox", "Session", "Job" };

  for (guint i = 0; i < G_N_ELEMENTS (interfaces); i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/org.creel.Creel1.%s.xml", g_getenv ("CREEL_TEST_DBUS"), interfaces[i]);
      g_autofree char *xml = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GDBusNodeInfo) node = NULL;

      g_assert_true (g_file_get_contents (path, &xml, NULL, &error));
      node = g_dbus_node_info_new_for_xml (xml, &error);
      g_assert_no_error (error);
      for (GDBusMethodInfo **m = node->interfaces[0]->methods; m != NULL && *m != NULL; m++)
        {
          g_test_message ("%s.%s", node->interfaces[0]->name, (*m)->name);
          g_assert_nonnull (creel_auth_action (node->interfaces[0]->name, (*m)->name));
          g_assert_nonnull (creel_dispatch_find_method (interfaces[i], (*m)->name));
        }
    }
  g_assert_null (creel_auth_action ("org.creel.Creel1.Sandbox", "Nonsense"));
}

/* Every action that the code asks for is in the policy file. */
static void
test_policy_file (void)
{
  const char *actions[] = { CREEL_ACTION_CREATE, CREEL_ACTION_CONTROL, CREEL_ACTION_CONTROL_OTHERS, CREEL_ACTION_WIDEN_POLICY,
                            CREEL_ACTION_USE_CREDENTIAL, CREEL_ACTION_MANAGE_IMAGES, CREEL_ACTION_SEE_OTHERS,
                            CREEL_ACTION_PULL_MODEL, CREEL_ACTION_REMOVE_MODEL, CREEL_ACTION_CONFIGURE_MODEL };
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (g_getenv ("CREEL_TEST_POLICY"), &text, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      g_autofree char *element = g_strdup_printf ("<action id=\"%s\">", actions[i]);

      g_assert_nonnull (strstr (text, element));
    }
}

static void
test_others (void)
{
  g_assert_cmpstr (creel_auth_effective_action (CREEL_ACTION_CONTROL, 1000, 1000), ==, CREEL_ACTION_CONTROL);
  g_assert_cmpstr (creel_auth_effective_action (CREEL_ACTION_CONTROL, 1001, 1000), ==, CREEL_ACTION_CONTROL_OTHERS);
  g_assert_cmpstr (creel_auth_effective_action (CREEL_ACTION_NONE, 1001, 1000), ==, CREEL_ACTION_SEE_OTHERS);
  g_assert_true (creel_dispatch_is_own (0, 1000));
  g_assert_true (creel_dispatch_is_own (1000, 1000));
  g_assert_false (creel_dispatch_is_own (1001, 1000));
  g_assert_false (creel_dispatch_is_own (1000, 0));
}

static void
ignore_gone (const char *name, uid_t uid, gpointer unused)
{
}

static gboolean
contains (GPtrArray *names, const char *name)
{
  return g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL);
}

/* Signals go to the owner's clients and root's, to nobody else's. */
static void
test_receivers (void)
{
  CreelCallers *callers = creel_callers_new (NULL, ignore_gone, NULL);
  g_autoptr (GPtrArray) names = NULL;

  creel_callers_add (callers, ":1.1", 1000);
  creel_callers_add (callers, ":1.2", 1001);
  creel_callers_add (callers, ":1.3", 0);
  names = creel_callers_of (callers, 1000);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_true (contains (names, ":1.1"));
  g_assert_true (contains (names, ":1.3"));
  creel_callers_free (callers);
}

static void
root_refused (gpointer user_data, GError *error)
{
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static void
test_root (void)
{
  const char *const actions[] = { CREEL_ACTION_CONTROL_OTHERS, NULL };
  gboolean done = FALSE;

  creel_auth_check (NULL, ":1.1", 0, actions, NULL, FALSE, root_refused, &done);
  g_assert_true (done);
}

static char *root;

static void
write_file (const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, entry, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static void
setup (gpointer fixture, gconstpointer unused)
{
  root = g_dir_make_tmp ("creel-test-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", root, TRUE);
  write_file ("/etc/creel/agents.d/shell.conf", "[Agent]\nImage=shell\nCommand=/bin/sh\nMinimumMemory=256M\n");
  write_file ("/etc/creel/credentials.d/key.conf", "[Credential]\nHost=k.example\nHeader=X\n");
  write_file ("/var/lib/creel/images/references.conf", "shell:latest=sha256-" ID_HEX "\n");
}

static void
teardown (gpointer fixture, gconstpointer unused)
{
  remove_tree (root);
  g_clear_pointer (&root, g_free);
  g_unsetenv ("CREEL_ROOT");
}

static CreelDefinition *
create (const char *name, const char *options, gboolean *widens, GError **error)
{
  g_autoptr (GVariant) parsed = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE ("a{sv}"), options, NULL, NULL, NULL));

  return creel_create_definition (name, 1000, parsed, G_GUINT64_CONSTANT (8) << 30, 4, widens, error);
}

static void
test_create (gpointer fixture, gconstpointer unused)
{
  const char *bad[] = {
    "{'memory': <uint64 0>}", "{'memory': <uint64 99999999999999>}", "{'memory': <1>}", "{'cpus': <uint32 0>}",
    "{'cpus': <uint32 99>}", "{'disk': <uint64 0>}", "{'nonsense': <1>}", "{'agent': <'none'>}", "{'policy': <'maybe'>}",
    "{'preset': <'nothing'>}", "{'allow': <['a..b']>}", "{'environment': <['x']>}", "{'credentials': <['none']>}",
    "{'credentials': <['../x']>}", "{'image': <'a b'>}", "{'command': <['a\\nb']>}",
  };
  const char *bad_workspaces[] = { "{'workspaces': <['relative']>}", "{'workspaces': <['/']>}", "{'workspaces': <['/..:ro']>}" };
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = NULL;
  gboolean widens = TRUE;

  d = create ("box", "{'workspaces': <['/home/a/w/', '/srv:ro']>}", &widens, &error);
  g_assert_no_error (error);
  g_assert_false (widens);
  g_assert_cmpstr (d->image_id, ==, "sha256-" ID_HEX);
  g_assert_cmpstr (d->preset, ==, "locked");
  g_assert_cmpstr (((CreelWorkspace *) d->workspaces->pdata[0])->path, ==, "/home/a/w");
  g_assert_true (((CreelWorkspace *) d->workspaces->pdata[1])->read_only);
  creel_definition_free (g_steal_pointer (&d));

  d = create ("box", "{'allow': <['x.example']>, 'credentials': <['key']>}", &widens, &error);
  g_assert_no_error (error);
  g_assert_true (widens);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      g_assert_null (create ("box", bad[i], &widens, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      g_clear_error (&error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_workspaces); i++)
    {
      g_assert_null (create ("box", bad_workspaces[i], &widens, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE);
      g_clear_error (&error);
    }
  g_assert_null (create ("box", "{'image': <'other'>}", &widens, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
  g_clear_error (&error);
  g_assert_null (create ("../box", "{}", &widens, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
}

static void
test_network (gpointer fixture, gconstpointer unused)
{
  const struct
  {
    const char *changes;
    gboolean widens;
  } cases[] = {
    { "{'deny': <['x.example']>}", FALSE },      { "{'allow': <['x.example']>}", TRUE },
    { "{'allow': <['a.example']>}", FALSE },     { "{'remove': <['a.example']>}", FALSE },
    { "{'remove': <['d.example']>}", TRUE },     { "{'policy': <'allow'>}", TRUE },
    { "{'policy': <'deny'>}", FALSE },           { "{'preset': <'locked'>}", FALSE },
    { "{'preset': <'open'>}", TRUE },            { "{'bypass': <['b.example']>}", TRUE },
    { "{'ask': <['q.example']>}", TRUE },        { "{'reset': <true>}", TRUE },
    { "{'policy': <'ask'>}", TRUE },             { "{'remove': <['p.example:443']>}", FALSE },
  };
  const char *bad[] = { "{'nonsense': <1>}", "{'allow': <['..']>}", "{'remove': <['unknown.example']>}", "{'policy': <'x'>}",
                        "{'deny': <['a.example']>}", "{'deny': <['']>}", "{'allow': <[' ']>}" };
  const char *text = "[X-Creel]\nOwner=1\nImage=shell\nPreset=balanced\nAllow=a.example\nDeny=d.example\nApproved=p.example:443\n";

  for (guint i = 0; i < G_N_ELEMENTS (cases) + G_N_ELEMENTS (bad); i++)
    {
      gboolean good = i < G_N_ELEMENTS (cases);
      const char *changes = good ? cases[i].changes : bad[i - G_N_ELEMENTS (cases)];
      g_autoptr (GVariant) parsed = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE ("a{sv}"), changes, NULL, NULL, NULL));
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelDefinition) d = creel_definition_parse ("box", text, -1, "t", &error);
      gboolean widens = FALSE;

      g_assert_no_error (error);
      g_test_message ("%s", changes);
      g_assert_cmpint (creel_network_apply (d, parsed, &widens, &error), ==, good);
      if (good)
        g_assert_cmpint (widens, ==, cases[i].widens);
      else
        g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
}

/* Where the preset allows what no rule names, asking about it is the tighter policy. */
static void
test_network_open (gpointer fixture, gconstpointer unused)
{
  static const struct
  {
    const char *changes;
    gboolean widens;
  } cases[] = {
    { "{'policy': <'deny'>}", TRUE },
    { "{'reset': <true>}", TRUE },
    { "{'policy': <'deny'>, 'preset': <'locked'>}", FALSE },
    { "{'deny': <['x.example']>}", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE ("a{sv}"), cases[i].changes, NULL, NULL, NULL));
      g_autoptr (CreelDefinition) d = creel_definition_parse ("box", "[X-Creel]\nOwner=1\nImage=shell\nPreset=open\nPolicy=ask\n", -1, "t", NULL);
      gboolean widens = FALSE;

      g_test_message ("%s", cases[i].changes);
      g_assert_true (creel_network_apply (d, changes, &widens, NULL));
      g_assert_cmpint (widens, ==, cases[i].widens);
    }
}

/* The rules of a definition, with the line where they stand. */
static void
test_check_network (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = creel_definition_parse ("box", "[X-Creel]\nOwner=1\nImage=shell\nAllow=a.example\n", -1, "t", &error);
  g_autoptr (GVariant) yes = NULL;
  g_autoptr (GVariant) no = NULL;
  const char *verdict, *origin;

  yes = g_variant_ref_sink (creel_network_check (d->policy, "https://a.example/x?y", "", &error));
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (yes, "verdict", "&s", &verdict) && g_variant_lookup (yes, "origin", "&s", &origin));
  g_assert_cmpstr (verdict, ==, "allow");
  g_assert_cmpstr (origin, ==, "t:4");
  no = g_variant_ref_sink (creel_network_check (d->policy, "b.example", "", &error));
  g_assert_true (g_variant_lookup (no, "verdict", "&s", &verdict));
  g_assert_cmpstr (verdict, ==, "deny");
  g_assert_null (creel_network_check (d->policy, "https://u@a.example/", "", &error));
  g_assert_nonnull (error);
}

static void
test_store (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = creel_definition_new ("box");
  g_autoptr (CreelDefinition) loaded = NULL;
  g_autofree char *disk = g_build_filename (root, "var/lib/creel/sandboxes/box", NULL);

  d->owner = 1000;
  d->image = g_strdup ("shell");
  g_assert_true (creel_sandbox_store_make_disk ("box", G_GUINT64_CONSTANT (1) << 40, &error));
  /* an empty one is a leftover; one with data is somebody's */
  g_assert_true (creel_sandbox_store_make_disk ("box", G_GUINT64_CONSTANT (1) << 40, &error));
  write_file ("/var/lib/creel/sandboxes/box/disk.img", "data");
  g_assert_false (creel_sandbox_store_make_disk ("box", 1, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_SANDBOX_EXISTS);
  g_clear_error (&error);
  write_file ("/etc/creel/creel.conf", "[Limits]\nHalfOpenMax=100\n");
  d->limits.values[CREEL_LIMIT_HALF_OPEN] = 101;
  g_assert_false (creel_sandbox_store_write (d, NULL));
  d->limits.values[CREEL_LIMIT_HALF_OPEN] = 100;
  g_assert_true (creel_sandbox_store_write (d, &error));
  write_file ("/etc/systemd/system/creel@box.service.d/override.conf", "[X-Creel]\nCPUs=1\n");
  loaded = creel_definition_load ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (loaded->cpus, ==, 1);
  creel_sandbox_store_delete ("box");
  creel_sandbox_store_delete_disk ("box");
  g_assert_false (g_file_test (disk, G_FILE_TEST_EXISTS));
  g_assert_null (creel_definition_load ("box", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX);
}

static gboolean
in_use (const char *id, gpointer user_data)
{
  return user_data != NULL;
}

static void
test_images (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelWorkerLines) lines = creel_worker_lines_new ();
  const char *text = "config environment=A%3Db%0Ac\ndone " ID_HEX "\n";
  g_autofree char *directory = NULL;
  g_auto (GStrv) ids = NULL;
  int fd;

  creel_worker_lines_feed (lines, text, strlen (text));
  g_assert_false (lines->broken);
  directory = creel_image_store_begin (1, &fd, &error);
  g_assert_no_error (error);
  lines->config->id = g_strdup (lines->id);
  g_assert_false (creel_image_store_commit (directory, lines->config, "shell:latest", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  g_clear_error (&error);
  g_assert_cmpint (write (fd, "hsqs0000", 8), ==, 8);
  close (fd);
  g_assert_true (creel_image_store_commit (directory, lines->config, "shell:latest", &error));
  ids = creel_image_store_list ();
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
  g_assert_false (creel_image_store_remove ("shell", in_use, root, NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_IMAGE_IN_USE);
  g_clear_error (&error);
  g_assert_true (creel_image_store_remove ("shell", in_use, NULL, NULL, &error));
  g_strfreev (ids);
  ids = creel_image_store_list ();
  g_assert_cmpuint (g_strv_length (ids), ==, 0);
  g_free (g_steal_pointer (&directory));
  directory = creel_image_store_begin (2, &fd, &error);
  close (fd);
  creel_image_store_clean ();
  g_assert_false (g_file_test (directory, G_FILE_TEST_EXISTS));
}

static char *
make_image (CreelWorkerLines *lines, const char *reference)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = NULL;
  int fd;

  directory = creel_image_store_begin (1, &fd, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (fd, "hsqs0000", 8), ==, 8);
  close (fd);
  g_free (lines->config->id);
  lines->config->id = g_strdup (lines->id);
  creel_image_store_commit (directory, lines->config, reference, &error);
  g_assert_no_error (error);
  return g_strdup (lines->id);
}

static gboolean
has_blob (const char *digest)
{
  g_autofree char *path = g_build_filename (root, "/var/lib/creel/oci/blobs/sha256", digest, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
write_blob (const char *digest)
{
  g_autofree char *path = g_build_filename ("/var/lib/creel/oci/blobs/sha256", digest, NULL);

  write_file (path, "blob");
}

/* Names and blobs of two images that share one. */
static void
test_collect (gpointer fixture, gconstpointer unused)
{
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
  const char *first_text = "blob " A " 4\nblob " C " 4\nmanifest " A "\ndone " A "\n";
  const char *second_text = "blob " B " 4\nblob " C " 4\nmanifest " B "\ndone " B "\n";
  g_autoptr (CreelWorkerLines) first = creel_worker_lines_new ();
  g_autoptr (CreelWorkerLines) second = creel_worker_lines_new ();
  g_autoptr (GPtrArray) jobs = g_ptr_array_new ();
  g_autoptr (GHashTable) garbage = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  CreelDaemon daemon = { .image_jobs = jobs, .garbage = garbage };
  g_autoptr (GError) error = NULL;
  char *names[] = { (char *) "host.de/x:1", (char *) "host.de/x@sha256:" D, NULL };
  g_autofree char *a = NULL, *b = NULL;
  char **blobs = NULL;
  guint64 bytes;

  creel_worker_lines_feed (first, first_text, strlen (first_text));
  creel_worker_lines_feed (second, second_text, strlen (second_text));
  a = make_image (first, "one:latest");
  b = make_image (second, "two:latest");
  write_blob (A);
  write_blob (B);
  write_blob (C);
  write_blob (D);
  g_assert_true (creel_image_collect_is_whole (first->config));
  write_file ("/var/lib/creel/oci/blobs/sha256/" A, "blo");
  g_assert_false (creel_image_collect_is_whole (first->config));
  write_blob (A);
  g_assert_true (creel_image_store_add_names (a, names, &error));

  /* a digest does not hold an image, another tag does */
  g_assert_true (creel_image_store_remove ("one", in_use, NULL, &blobs, &error));
  g_assert_null (blobs);
  g_assert_true (creel_image_store_remove ("host.de/x@sha256:" D, in_use, NULL, &blobs, &error));
  g_assert_null (blobs);
  g_assert_null (creel_image_resolve ("host.de/x@sha256:" D, NULL));
  g_assert_true (creel_image_store_add_names (a, names, &error));
  g_assert_true (creel_image_store_remove ("host.de/x:1", in_use, NULL, &blobs, &error));
  g_assert_nonnull (blobs);
  g_assert_null (creel_image_resolve ("host.de/x@sha256:" D, NULL));

  /* not while work goes on */
  g_ptr_array_add (jobs, &daemon);
  creel_image_collect_blobs (&daemon, blobs);
  g_assert_true (has_blob (A));
  g_assert_false (creel_image_collect_all (&daemon, &bytes, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
  g_clear_error (&error);
  g_ptr_array_set_size (jobs, 0);
  creel_image_collect_deferred (&daemon);
  g_assert_false (has_blob (A));
  g_assert_true (has_blob (B) && has_blob (C) && has_blob (D));
  g_assert_true (creel_image_collect_all (&daemon, &bytes, &error));
  g_assert_cmpuint (bytes, ==, 4);
  g_assert_false (has_blob (D));

  /* an image that cannot be read: whose blobs are whose is not known */
  write_blob (D);
  {
    g_autofree char *conf = g_strdup_printf ("/var/lib/creel/images/%s/image.conf", b);

    write_file (conf, "not a key file");
  }
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*No blobs are deleted*");
  g_assert_false (creel_image_collect_all (&daemon, &bytes, NULL));
  g_test_assert_expected_messages ();
  g_assert_true (has_blob (B) && has_blob (C) && has_blob (D));
  g_strfreev (blobs);
}

static void
test_lines (void)
{
  const char *good = "progress packing 5 10\nconfig user=agent\nlibrary: noise\nerror BadImage no\x1b[31m way\n"
                     "blob " ID_HEX " 77\nblob " ID_HEX " 77\nmanifest " ID_HEX "\ndigest " ID_HEX "\n";
  const char *bad[] = { "progress a b c\n", "progress x 1 2 3\n", "config nonsense=1\n", "config environment=%00\n", "done zz\n",
                        "done " ID_HEX "\ndone " ID_HEX "\n", "done " ID_HEX "\nprogress a 1 2\n", "error ../x y\n", "error X\n",
                        "progress a -1 2\n", "config environment=%ff\n",
                        "blob " ID_HEX "\n", "blob " ID_HEX " -1\n", "blob " ID_HEX " 1 2\n", "blob ../../etc/passwd 5\n",
                        "blob " ID_HEX " 1\nblob " ID_HEX " 2\n", "manifest " ID_HEX "\nmanifest " ID_HEX "\n", "manifest x\n",
                        "digest sha256:" ID_HEX "\n", "digest " ID_HEX "0\n", "model nonsense=1\n", "model size=-1\n",
                        "model embedding=maybe\n", "model architecture=a%0Ab\n", "model size\n", "file gguf " ID_HEX " 5\n",
                        "file gguf " ID_HEX " 5 ..%2Fx\n", "file exe " ID_HEX " 5 x\n", "file gguf " ID_HEX " 5 .x\n",
                        "file gguf " ID_HEX " 5 a\nfile gguf " ID_HEX " 5 a\n", "file gguf xx 5 a\n", "file gguf " ID_HEX " 5 a b\n" };
  g_autoptr (CreelWorkerLines) lines = creel_worker_lines_new ();

  for (const char *p = good; *p != '\0'; p++)
    creel_worker_lines_feed (lines, p, 1);
  g_assert_false (lines->broken);
  g_assert_cmpstr (lines->phase, ==, "packing");
  g_assert_cmpuint (lines->done, ==, 5);
  g_assert_cmpstr (lines->config->user, ==, "agent");
  g_assert_cmpstr (lines->error_code, ==, "BadImage");
  g_assert_cmpstr (lines->error_text, ==, "no?[31m way");
  g_assert_cmpuint (g_strv_length (lines->config->blobs), ==, 1);
  g_assert_cmpstr (lines->config->blobs[0], ==, ID_HEX " 77");
  g_assert_cmpstr (lines->config->manifest, ==, ID_HEX);
  g_assert_cmpstr (lines->digests[0], ==, "sha256:" ID_HEX);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (CreelWorkerLines) broken = creel_worker_lines_new ();

      g_test_message ("%s", bad[i]);
      creel_worker_lines_feed (broken, bad[i], strlen (bad[i]));
      g_assert_true (broken->broken);
    }
}

/* What a worker says of a model becomes one, when it fits together. */
static void
test_model_lines (void)
{
  const char *good = "blob " ID_HEX " 500\nblob " A " 1000\nmanifest " ID_HEX "\nmodel architecture=llama\nmodel parameters=8.03%20B\n"
                     "model size=1000\nmodel context-length=4096\nmodel layers=3\nmodel kv-bytes-per-token=77\nmodel chat-template=yes\n"
                     "file gguf " A " 1000 a%20b.gguf\ndone " ID_HEX "\n";
  const char *other = "blob " ID_HEX " 500\nblob " A " 1000\nmanifest " ID_HEX "\nfile gguf " A " 1000 x\nmodel size=1000\ndone " A "\n";
  g_autoptr (CreelWorkerLines) lines = creel_worker_lines_new ();
  g_autoptr (CreelWorkerLines) wrong = creel_worker_lines_new ();
  g_autoptr (CreelModelConfig) model = NULL;
  g_autoptr (GError) error = NULL;

  creel_worker_lines_feed (lines, good, strlen (good));
  g_assert_false (lines->broken);
  model = creel_worker_lines_take_model (lines, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (model->id, ==, "sha256-" ID_HEX);
  g_assert_cmpstr (model->parameters, ==, "8.03 B");
  g_assert_cmpuint (model->kv_bytes_per_token, ==, 77);
  g_assert_cmpstr (creel_model_config_find_file (model, "gguf")->name, ==, "a b.gguf");
  g_assert_null (creel_worker_lines_take_model (lines, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  g_clear_error (&error);
  creel_worker_lines_feed (wrong, other, strlen (other));
  g_assert_null (creel_worker_lines_take_model (wrong, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
}

static void
test_failures (void)
{
  CreelUnitState state = { .active_state = (char *) "failed", .status_text = (char *) "No disk", .result = (char *) "exit-code" };
  g_autoptr (GError) error = NULL;

  state.exit_status = 70 + CREEL_ERROR_NO_HYPERVISOR;
  creel_sandbox_explain_failure (&state, "box", &error);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR);
  g_assert_cmpstr (error->message, ==, "No disk");
  g_clear_error (&error);
  state = (CreelUnitState) { .active_state = (char *) "failed", .result = (char *) "timeout" };
  creel_sandbox_explain_failure (&state, "box", &error);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT);
  g_clear_error (&error);
  creel_sandbox_explain_failure (NULL, "box", &error);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED);
  g_clear_error (&error);
  for (int status = -1; status < 20; status++)
    {
      creel_create_explain_workspace (status, "/x", &error);
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE);
      g_clear_error (&error);
    }
}

static void
test_printable (void)
{
  const char bytes[] = "ok\r\n\x1b[31mred\xff\0\xc3\xa9\t.";
  g_autofree char *text = creel_exec_make_printable (bytes, sizeof bytes - 1);

  g_assert_cmpstr (text, ==, "ok\n?[31mred??\xc3\xa9\t.");
}

static GString *logged;

static GLogWriterOutput
keep_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer unused)
{
  for (gsize i = 0; logged != NULL && i < n; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_string_append_printf (logged, "%s\n", (const char *) fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static void
test_secret_log (void)
{
  CreelSecretLog *log = creel_secret_log_new ("box");
  g_autoptr (GError) locked = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED, "locked");
  guint written = 0;

  logged = g_string_new (NULL);
  g_log_set_writer_func (keep_log, NULL, NULL);
  g_assert_true (creel_secret_log_add (log, 1000, "demo", NULL));
  g_assert_false (creel_secret_log_add (log, 1000, "demo", NULL));
  g_assert_true (creel_secret_log_add (log, 1000, "demo", locked));
  g_assert_false (creel_secret_log_add (log, 1000, "demo", locked));
  g_assert_true (creel_secret_log_add (log, 1000, "demo", NULL));
  creel_secret_log_reset (log);
  g_assert_true (creel_secret_log_add (log, 1000, "demo", NULL));
  /* a gateway that is not itself any more */
  g_assert_true (creel_secret_log_add (log, 1000, "a\nb", locked));
  g_assert_false (creel_secret_log_add (log, 1000, "../x", locked));
  g_assert_cmpstr (logged->str, ==,
                   "Sandbox box of user 1000 uses the key \"demo\"\n"
                   "Sandbox box of user 1000 gets no key \"demo\": locked\n"
                   "Sandbox box of user 1000 uses the key \"demo\"\n"
                   "Sandbox box of user 1000 uses the key \"demo\"\n"
                   "Sandbox box of user 1000 gets no key \"?\": locked\n");
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("name%u", i);

      written += creel_secret_log_add (log, 1000, name, NULL);
    }
  g_assert_cmpuint (written, ==, 254);
  creel_secret_log_free (log);
  g_string_free (g_steal_pointer (&logged), TRUE);
}

static void
test_unit_properties (void)
{
  const char *const arguments[] = { "localhost:5000/a b$c", NULL };

  for (guint kind = 0; kind < CREEL_N_WORKERS; kind++)
    {
      g_autoptr (GVariant) properties = g_variant_ref_sink (creel_worker_unit_properties (kind, 1234, arguments));
      g_autofree char *text = g_variant_print (properties, FALSE);
      gboolean network = kind == CREEL_WORKER_BUILD || kind == CREEL_WORKER_FETCH || kind == CREEL_WORKER_PUSH ||
                         kind == CREEL_WORKER_MODEL_FETCH || kind == CREEL_WORKER_MODEL_PUSH;
      gboolean writes = kind == CREEL_WORKER_FETCH || kind == CREEL_WORKER_LAYER || kind == CREEL_WORKER_SAVE ||
                        kind == CREEL_WORKER_MODEL_FETCH || kind == CREEL_WORKER_MODEL_ADD || kind == CREEL_WORKER_MODEL_PACK;

      g_test_message ("%s", creel_worker_kind_mode (kind));
      g_assert_true (g_variant_is_of_type (properties, G_VARIANT_TYPE ("a(sv)")));
      g_assert_nonnull (strstr (text, "'localhost:5000/a b$c'"));
      g_assert_nonnull (strstr (text, "('NoNewPrivileges', <true>)"));
      g_assert_cmpint (strstr (text, "PrivateNetwork") == NULL, ==, network);
      g_assert_cmpint (strstr (text, "AF_INET") != NULL, ==, network);
      g_assert_cmpint (strstr (text, "ReadWritePaths") != NULL, ==, writes);
      g_assert_cmpint (strstr (text, "('User', <'1234'>)") != NULL, ==, kind == CREEL_WORKER_PLAN || kind == CREEL_WORKER_COPY);
      if (kind != CREEL_WORKER_BUILD)
        g_assert_nonnull (strstr (text, "('CapabilityBoundingSet', <uint64 0>)"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/manager/table", test_table);
  g_test_add_func ("/manager/policy-file", test_policy_file);
  g_test_add_func ("/manager/others", test_others);
  g_test_add_func ("/manager/receivers", test_receivers);
  g_test_add_func ("/manager/root", test_root);
  g_test_add_func ("/manager/lines", test_lines);
  g_test_add_func ("/manager/model-lines", test_model_lines);
  g_test_add_func ("/manager/failures", test_failures);
  g_test_add_func ("/manager/printable", test_printable);
  g_test_add_func ("/manager/secret-log", test_secret_log);
  g_test_add_func ("/manager/unit-properties", test_unit_properties);
  g_test_add_vtable ("/manager/create", 0, NULL, setup, test_create, teardown);
  g_test_add_vtable ("/manager/network", 0, NULL, setup, test_network, teardown);
  g_test_add_vtable ("/manager/network-open", 0, NULL, setup, test_network_open, teardown);
  g_test_add_vtable ("/manager/check-network", 0, NULL, setup, test_check_network, teardown);
  g_test_add_vtable ("/manager/store", 0, NULL, setup, test_store, teardown);
  g_test_add_vtable ("/manager/collect", 0, NULL, setup, test_collect, teardown);
  g_test_add_vtable ("/manager/images", 0, NULL, setup, test_images, teardown);
  return g_test_run ();
}
