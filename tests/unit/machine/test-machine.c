/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-accelerator.h"
#include "creel-console.h"
#include "creel-definition.h"
#include "creel-disk.h"
#include "creel-domain-xml.h"
#include "creel-error.h"
#include "creel-shares.h"

#define MACHINE_ID "0123456789abcdef0123456789abcdef"

/* Compares with golden/NAME; CREEL_UPDATE_GOLDEN=1 writes it anew */
static void
check_golden (const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (g_getenv ("GOLDEN"), name, NULL);
  g_autofree char *expected = NULL;

  if (g_getenv ("CREEL_UPDATE_GOLDEN") != NULL)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_true (g_file_get_contents (path, &expected, NULL, NULL));
  g_assert_cmpstr (text, ==, expected);
}

static void
test_xml (void)
{
  const char *const shares[] = { "/run/creel/sandbox/box/share0.sock", "/run/creel/sandbox/box/share1.sock", NULL };
  CreelDomainSpec spec = {
    .name = "box",
    .machine_id = MACHINE_ID,
    .description = "Image shell, owner alice",
    .memory = 2048ull << 20,
    .cpus = 2,
    .kernel = "/var/lib/creel/guest/vmlinuz",
    .initramfs = "/var/lib/creel/guest/initramfs",
    .tsc_khz = 2596122,
    .root_disk = "/var/lib/creel/images/sha256-aa/rootfs.squashfs",
    .upper_disk = "/var/lib/creel/sandboxes/box/disk.img",
    .egress_socket = "/run/creel/channels/box.egress",
    .control_socket = "/run/creel/channels/box.control",
    .share_sockets = shares,
    .console_log = "/run/creel/console/box.log",
    .qemu_uid = 64055,
    .qemu_gid = 103,
  };
  g_autofree char *emulated = creel_domain_xml_format (&spec);
  g_autofree char *accelerated = NULL;

  check_golden ("domain-tcg.xml", emulated);
  spec.kvm = TRUE;
  spec.tsc_khz = 0;
  spec.share_sockets = NULL;
  accelerated = creel_domain_xml_format (&spec);
  check_golden ("domain-kvm.xml", accelerated);
  g_assert_null (strstr (accelerated, "<interface"));
  g_assert_null (strstr (accelerated, "<filesystem"));
}

/* Whatever is in a text stays a text: the parser sees the elements that we wrote and no other */
static void
count_element (GMarkupParseContext *context, const char *element, const char **names, const char **values, gpointer data,
               GError **error)
{
  ++*(guint *) data;
}

static void
test_xml_escape (void)
{
  GMarkupParser parser = { .start_element = count_element };
  CreelDomainSpec spec = { .name = "box", .machine_id = MACHINE_ID, .description = "plain", .kernel = "k", .initramfs = "i",
                           .root_disk = "plain", .console_log = "c" };
  guint counts[2] = { 0 };

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser, 0, &counts[i], NULL);
      g_autofree char *xml = creel_domain_xml_format (&spec);

      g_assert_true (g_markup_parse_context_parse (context, xml, -1, NULL));
      g_assert_true (g_markup_parse_context_end_parse (context, NULL));
      spec.description = "</description><devices/>&\"'";
      spec.root_disk = "x'/><interface type=\"network\"/><a b='";
    }
  g_assert_cmpuint (counts[0], ==, counts[1]);
}

static void
test_uuid (void)
{
  g_autofree char *a = creel_domain_xml_uuid ("a", MACHINE_ID);
  g_autofree char *again = creel_domain_xml_uuid ("a", MACHINE_ID);
  g_autofree char *b = creel_domain_xml_uuid ("b", MACHINE_ID);
  g_autofree char *elsewhere = creel_domain_xml_uuid ("a", "f123456789abcdef0123456789abcdef");

  g_assert_true (g_uuid_string_is_valid (a));
  g_assert_cmpstr (a, ==, again);
  g_assert_cmpstr (a, !=, b);
  g_assert_cmpstr (a, !=, elsewhere);
}

static void
test_console (void)
{
  static const struct
  {
    const char *bytes, *line;
    gboolean panic;
  } cases[] = {
    { "", NULL, FALSE },
    { "\n \r\n\n", NULL, FALSE },
    { "one\ntwo\n\n", "two", FALSE },
    { "one\ntwo", "two", FALSE },
    { "\033[1;31mred\033[0m\tx\r\n", "red x", FALSE },
    { "a\xff\x01z\n", "a??z", FALSE },
    { "[ 1.0] Kernel panic - not syncing: init\nCPU: 0\n---[ end\n", "Kernel panic - not syncing: init", TRUE },
    { "x\033[", "x", FALSE },
  };
  g_autofree char *endless = g_strnfill (5000, 'y');
  g_autofree char *cut = creel_console_last_line (endless, 5000);
  gsize length = 1;
  g_autofree char *none = creel_console_read_tail ("/nonexistent", &length);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *line = creel_console_last_line (cases[i].bytes, strlen (cases[i].bytes));

      g_assert_cmpstr (line, ==, cases[i].line);
      g_assert_cmpint (creel_console_shows_panic (cases[i].bytes, strlen (cases[i].bytes)), ==, cases[i].panic);
    }
  g_assert_cmpuint (strlen (cut), ==, 200);
  g_assert_cmpuint (length, ==, 0);
}

static void
test_disk (void)
{
  g_autofree char *top = g_dir_make_tmp ("creel-disk-XXXXXX", NULL);
  g_autofree char *directory = g_build_filename (top, "box", NULL);
  g_autofree char *path = g_build_filename (directory, "disk.img", NULL);
  g_autofree char *huge = g_build_filename (directory, "huge.img", NULL);
  g_autofree char *first = NULL, *second = NULL, *mkfs = g_find_program_in_path ("mkfs.ext4");
  g_autoptr (GError) error = NULL;
  struct stat st;
  gsize length;

  if (mkfs == NULL)
    {
      g_test_skip ("no mkfs.ext4");
      return;
    }
  g_assert_true (creel_disk_prepare (path, 64 << 20, getuid (), &error));
  g_assert_no_error (error);
  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_size, ==, 64 << 20);
  g_assert_cmpint (st.st_blocks * 512, <, 16 << 20); /* sparse */
  g_assert_cmpint (st.st_mode & 07777, ==, 0660);
  g_assert_true (g_file_get_contents (path, &first, &length, NULL));

  /* Grows, keeps what it holds, and never shrinks */
  g_assert_true (creel_disk_prepare (path, 96 << 20, getuid (), &error));
  g_assert_true (creel_disk_prepare (path, 32 << 20, getuid (), &error));
  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_size, ==, 96 << 20);
  g_assert_true (g_file_get_contents (path, &second, NULL, NULL));
  g_assert_cmpmem (first, length, second, length);

  /* An empty file is a disk that was never finished */
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_true (creel_disk_prepare (path, 64 << 20, getuid (), &error));
  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_size, ==, 64 << 20);

  /* Larger than any file may be: said, and nothing is left */
  g_assert_false (creel_disk_prepare (huge, G_MAXINT64, getuid (), &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE);
  g_clear_error (&error);
  g_assert_false (g_file_test (huge, G_FILE_TEST_EXISTS));

  /* A symlink is not followed */
  g_unlink (path);
  g_assert_cmpint (symlink ("/etc/passwd", path), ==, 0);
  g_assert_false (creel_disk_prepare (path, 64 << 20, getuid (), &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
  g_unlink (path);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
  g_rmdir (top);
}

static void
test_accelerator (void)
{
  g_autofree char *top = g_dir_make_tmp ("creel-guest-XXXXXX", NULL);
  g_autofree char *answer = g_build_filename (top, "accelerator", NULL);
  g_autofree char *release = g_build_filename (top, "release", NULL);
  g_autofree char *reason = NULL;
  g_autoptr (GError) error = NULL;
  gboolean kvm = TRUE;

  g_assert_false (creel_accelerator_is_kvm (top));
  g_assert_false (creel_accelerator_probe (top, &kvm, &reason, &error));
  g_assert_nonnull (strstr (error->message, "creel-guest-kernel"));
  g_assert_true (g_file_set_contents (release, "6.1.0-1-cloud\n", -1, NULL));
  g_assert_false (creel_accelerator_is_kvm (top));
  g_assert_true (g_file_set_contents (answer, "kvm 6.1.0-1-cloud\n", -1, NULL));
  g_assert_true (creel_accelerator_is_kvm (top));
  g_assert_true (g_file_set_contents (answer, "kvm 6.1.0-0-cloud\n", -1, NULL));
  g_assert_false (creel_accelerator_is_kvm (top)); /* another kernel's answer */
  g_assert_true (g_file_set_contents (answer, "tcg 6.1.0-1-cloud\n", -1, NULL));
  g_assert_false (creel_accelerator_is_kvm (top));
  g_unlink (answer);
  g_unlink (release);
  g_rmdir (top);
}

static void
test_tsc (void)
{
#ifdef __x86_64__
  guint a = creel_accelerator_measure_tsc_khz (), b = creel_accelerator_measure_tsc_khz ();

  g_assert_cmpuint (a, >, 100000);
  g_assert_cmpuint (ABS ((int) a - (int) b), <, a / 50);
#else
  g_assert_cmpuint (creel_accelerator_measure_tsc_khz (), ==, 0);
#endif
}

typedef struct
{
  GMainLoop *loop;
  int code;
  char *text;
} Death;

static void
on_died (CreelShares *shares, int code, const char *text, gpointer user_data)
{
  Death *death = user_data;

  death->code = code;
  g_free (death->text);
  death->text = g_strdup (text);
  g_main_loop_quit (death->loop);
}

/* A program in creel-share's place that ends with what the real one says of a symlink */
static void
test_shares (void)
{
  g_autofree char *top = g_dir_make_tmp ("creel-shares-XXXXXX", NULL);
  g_autofree char *program = g_build_filename (top, "launcher", NULL);
  g_autofree char *directory = g_build_filename (top, "sockets", NULL);
  g_autofree char *socket = g_build_filename (directory, "share0.sock", NULL);
  g_autoptr (GPtrArray) workspaces = g_ptr_array_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  CreelWorkspace workspace = { .path = (char *) "/home/alice/link", .read_only = TRUE };
  Death death = { .loop = loop };
  g_autoptr (CreelShares) shares = NULL;
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (workspaces, &workspace);
  g_assert_true (g_file_set_contents (program,
                                      "#!/bin/sh\ntest \"$*\" = '--uid 1234 --fd 3 --read-only /home/alice/link' &&"
                                      " test -S /proc/self/fd/3 && exit 14\nexit 1\n", -1, NULL));
  g_assert_cmpint (g_chmod (program, 0700), ==, 0);
  shares = creel_shares_start (directory, program, workspaces, 1234, getuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (creel_shares_get_sockets (shares)[0], ==, socket);
  g_assert_null (creel_shares_get_sockets (shares)[1]);
  g_signal_connect (shares, "died", G_CALLBACK (on_died), &death);
  g_main_loop_run (loop);
  g_assert_cmpint (death.code, ==, CREEL_ERROR_BAD_WORKSPACE);
  g_assert_nonnull (strstr (death.text, "/home/alice/link is or goes through a symbolic link"));
  g_clear_object (&shares);
  g_assert_false (g_file_test (socket, G_FILE_TEST_EXISTS));

  /* A launcher that is not there */
  g_unlink (program);
  shares = creel_shares_start (directory, program, workspaces, 1234, getuid (), &error);
  g_assert_null (shares);
  g_assert_nonnull (error);
  g_free (death.text);
  g_unlink (socket);
  g_rmdir (directory);
  g_rmdir (top);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/machine/xml", test_xml);
  g_test_add_func ("/machine/xml/escape", test_xml_escape);
  g_test_add_func ("/machine/uuid", test_uuid);
  g_test_add_func ("/machine/console", test_console);
  g_test_add_func ("/machine/disk", test_disk);
  g_test_add_func ("/machine/accelerator", test_accelerator);
  g_test_add_func ("/machine/tsc", test_tsc);
  g_test_add_func ("/machine/shares", test_shares);
  return g_test_run ();
}
