/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "creel-idmap.h"
#include "creel-share-filter.h"
#include "creel-virtiofsd.h"
#include "creel-workspace.h"

static void
test_range (void)
{
  const char *text = "alice:100000:65536\nbob:165536:65536\nsmall:300000:1000\n1005:400000:65536\nbad:x:y\nzero:0:65536\n"
                     "inside:1000000:65536\nlast:500000:70000";

  g_assert_cmpuint (creel_idmap_find_range (text, "alice", 1001), ==, 100000);
  g_assert_cmpuint (creel_idmap_find_range (text, "bob", 1002), ==, 165536);
  g_assert_cmpuint (creel_idmap_find_range (text, "carol", 1005), ==, 400000);
  g_assert_cmpuint (creel_idmap_find_range (text, "last", 1006), ==, 500000);
  /* Too small, broken, root's own, one that holds the owner, none: the range of last resort */
  g_assert_cmpuint (creel_idmap_find_range (text, "small", 1007), ==, 0x70000000u + 1007u * 65536u);
  g_assert_cmpuint (creel_idmap_find_range (text, "bad", 1), ==, 0x70010000u);
  g_assert_cmpuint (creel_idmap_find_range (text, "zero", 2), ==, 0x70020000u);
  g_assert_cmpuint (creel_idmap_find_range (text, "inside", 1000005), >=, 0x70000000u);
  g_assert_cmpuint (creel_idmap_find_range (text, "alic", 3), ==, 0x70030000u);
  g_assert_cmpuint (creel_idmap_find_range ("", NULL, 0), ==, 0x70000000u);
  for (uid_t uid = 0; uid < 100000; uid++)
    g_assert_cmpuint (creel_idmap_find_range (NULL, "x", uid), <=, 0x7ffdffffu);
}

static void
test_map (void)
{
  char buffer[160];

  creel_idmap_format (1001, 100000, buffer, sizeof buffer);
  g_assert_cmpstr (buffer, ==, "0 100000 1000\n1000 1001 1\n1001 101001 64535\n");
  g_assert_cmpuint (creel_idmap_format (UINT32_MAX - 1, 0x7ffd0000, buffer, sizeof buffer), <, 128);
}

static void
test_system (void)
{
  const char *const refused[] = { "/", "/etc", "/etc/x", "/usr/local/src", "/proc/1", "/sys", "/dev/shm", "/boot", "/home", "/tmp",
                                  "/var", "/var/lib/creel/images", "/run/creel", "/run", "/srv", "/lib64" };
  const char *const taken[] = { "/home/a", "/tmp/x", "/srv/work", "/var/lib/x", "/etcetera", "/root/w", "/usrx", "/media/a/disk" };

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    g_assert_true (creel_workspace_is_system (refused[i]));
  for (guint i = 0; i < G_N_ELEMENTS (taken); i++)
    g_assert_false (creel_workspace_is_system (taken[i]));
}

static CreelWorkspaceStatus
open_path (const char *path, uid_t owner)
{
  int fd = -1;
  CreelWorkspaceStatus status = creel_workspace_open (path, owner, &fd);

  g_assert_cmpint (status == CREEL_WORKSPACE_OK, ==, fd >= 0);
  if (fd >= 0)
    close (fd);
  g_assert_nonnull (creel_workspace_explain (status));
  return status;
}

static void
test_workspace (void)
{
  g_autofree char *made = g_dir_make_tmp ("creel-share-XXXXXX", NULL);
  g_autofree char *top = realpath (made, NULL);
  g_autofree char *work = g_build_filename (top, "work", NULL);
  g_autofree char *file = g_build_filename (top, "file", NULL);
  g_autofree char *below = g_build_filename (top, "file", "x", NULL);
  g_autofree char *link = g_build_filename (top, "link", NULL);
  g_autofree char *through = g_build_filename (top, "link", "in", NULL);
  g_autofree char *missing = g_build_filename (top, "missing", NULL);
  g_autofree char *inner = g_build_filename (work, "in", NULL);
  g_autofree char *dots = g_strconcat (work, "/in/../../..", NULL);

  g_assert_cmpint (g_mkdir_with_parents (inner, 0755), ==, 0);
  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  g_assert_cmpint (symlink ("work", link), ==, 0);

  g_assert_cmpint (open_path (work, getuid ()), ==, CREEL_WORKSPACE_OK);
  g_assert_cmpint (open_path (inner, getuid ()), ==, CREEL_WORKSPACE_OK);
  g_assert_cmpint (open_path (missing, getuid ()), ==, CREEL_WORKSPACE_MISSING);
  g_assert_cmpint (open_path (file, getuid ()), ==, CREEL_WORKSPACE_NOT_DIRECTORY);
  g_assert_cmpint (open_path (below, getuid ()), ==, CREEL_WORKSPACE_NOT_DIRECTORY);
  g_assert_cmpint (open_path (link, getuid ()), ==, CREEL_WORKSPACE_SYMLINK);
  g_assert_cmpint (open_path (through, getuid ()), ==, CREEL_WORKSPACE_SYMLINK);
  g_assert_cmpint (open_path (work, getuid () + 1), ==, CREEL_WORKSPACE_FOREIGN);
  g_assert_cmpint (open_path ("/", 0), ==, CREEL_WORKSPACE_SYSTEM);
  g_assert_cmpint (open_path ("/etc", 0), ==, CREEL_WORKSPACE_SYSTEM);
  g_assert_cmpint (open_path (dots, 0), ==, CREEL_WORKSPACE_SYSTEM); /* the temporary directory itself */
  g_assert_cmpint (open_path ("work", getuid ()), ==, CREEL_WORKSPACE_RELATIVE);
  g_assert_cmpint (open_path ("", getuid ()), ==, CREEL_WORKSPACE_RELATIVE);
  if (getuid () != 0)
    {
      g_assert_cmpint (chmod (work, 0), ==, 0);
      g_assert_cmpint (open_path (work, getuid ()), ==, CREEL_WORKSPACE_ACCESS);
      g_assert_cmpint (open_path (inner, getuid ()), ==, CREEL_WORKSPACE_ACCESS);
      g_assert_cmpint (chmod (work, 0700), ==, 0);
    }
  g_rmdir (inner);
  g_rmdir (work);
  g_unlink (link);
  g_unlink (file);
  g_rmdir (top);
}

static void
test_virtiofsd (void)
{
  const char *argv[CREEL_VIRTIOFSD_MAX_ARGUMENTS];

  creel_virtiofsd_command ("/usr/lib/qemu/virtiofsd", "--fd=3", "source=/share", "/share", argv);
  g_assert_true (g_strv_contains (argv, "source=/share"));
  creel_virtiofsd_command ("/usr/libexec/virtiofsd", "--fd=3", "source=/share", "/share", argv);
  g_assert_true (g_strv_contains (argv, "--shared-dir"));
  g_assert_true (g_strv_contains (argv, "--fd=3"));
}

/* In a child, as a filter stays for ever. The answer is the number of the step that failed. */
static int
filtered (int directory)
{
  int fd;

  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !creel_share_filter_install ())
    return 1;
  fd = openat (directory, "plain", O_CREAT | O_RDWR, 0755);
  if (fd < 0 || fchmod (fd, 0700) != 0)
    return 2;
  if (fchmod (fd, 04755) == 0 || errno != EPERM)
    return 3;
  if (fchmodat (directory, "plain", 02755, 0) == 0 || errno != EPERM)
    return 4;
  if (openat (directory, "set", O_CREAT | O_RDWR, 04755) >= 0 || errno != EPERM)
    return 5;
  if (mknodat (directory, "node", S_IFREG | 06755, 0) == 0 || errno != EPERM)
    return 6;
  /* Without O_CREAT the mode is garbage and must not count */
  if (openat (directory, "plain", O_RDONLY, 04755) < 0)
    return 7;
  if (openat (directory, ".", O_TMPFILE | O_RDWR, 04700) >= 0 || errno != EPERM)
    return 8;
  if (mkdirat (directory, "dir", 0755) != 0 || unlinkat (directory, "dir", AT_REMOVEDIR) != 0)
    return 9;
  return 0;
}

static void
test_filter (void)
{
  g_autofree char *top = g_dir_make_tmp ("creel-share-XXXXXX", NULL);
  g_autofree char *plain = g_build_filename (top, "plain", NULL);
  int directory = open (top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (filtered (directory));
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  close (directory);
  g_unlink (plain);
  g_rmdir (top);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/share/range", test_range);
  g_test_add_func ("/share/map", test_map);
  g_test_add_func ("/share/system", test_system);
  g_test_add_func ("/share/workspace", test_workspace);
  g_test_add_func ("/share/virtiofsd", test_virtiofsd);
  g_test_add_func ("/share/filter", test_filter);
  return g_test_run ();
}
