/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-share: shares one directory with one guest, with nobody's rights but its owner's.
 *
 *   creel-share --uid N --fd N [--read-only] PATH    becomes virtiofsd on the listening socket; started by creel-machine
 *   creel-share --check PATH...                      may the caller share these? exit code CreelWorkspaceStatus
 *
 * As a launcher it starts with CAP_SETUID and CAP_SETGID and needs them for an instant: to say which uids the new user
 * namespace has (with CAP_SETFCAP when the owner is root: the kernel asks for it since 5.12). In there the owner opens the directory, a mount namespace with nothing else is made, and virtiofsd runs
 * as the namespace's root, who is an unused subordinate uid on the host. The launcher itself stays only to
 * pass the end on, without any right. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "creel-idmap.h"
#include "creel-share-filter.h"
#include "creel-share-root.h"
#include "creel-virtiofsd.h"
#include "creel-workspace.h"

#define EXIT_SETUP 1 /* after a line that says why; CreelWorkspaceStatus when the directory cannot be shared */
#define EXIT_USAGE 2

typedef struct
{
  const char *path;
  const char *program;
  uid_t uid;
  int socket;
  bool read_only;
} Share;

static bool
failed (const char *what)
{
  fprintf (stderr, "creel-share: cannot %s: %s\n", what, strerror (errno));
  return false;
}

static bool
parse_number (const char *text, unsigned *ret_number)
{
  char *end;
  unsigned long number;

  errno = 0;
  number = strtoul (text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number >= UINT32_MAX)
    return false;
  *ret_number = (unsigned) number;
  return true;
}

/* ---- in the namespaces ---- */

/* The directory, opened with the rights of the owner and no others. 0, or the exit code after a line that says why. */
static int
open_as_owner (const Share *share, int *ret_fd)
{
  CreelWorkspaceStatus status;

  if (setresgid (0, CREEL_SHARE_UID, 0) < 0 || setresuid (0, CREEL_SHARE_UID, 0) < 0)
    return failed ("become the owner"), EXIT_SETUP;
  status = creel_workspace_open (share->path, CREEL_SHARE_UID, ret_fd);
  if (setresuid (0, 0, 0) < 0 || setresgid (0, 0, 0) < 0)
    return failed ("be the namespace's root"), EXIT_SETUP;
  if (status != CREEL_WORKSPACE_OK)
    fprintf (stderr, "creel-share: workspace %s %s\n", share->path, creel_workspace_explain (status));
  return (int) status;
}

static int
serve (const Share *share)
{
  const char *argv[CREEL_VIRTIOFSD_MAX_ARGUMENTS];
  const char *const environment[] = { "LC_ALL=C", NULL };
  int fd = -1, status;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (setgroups (0, NULL) < 0 || setresgid (0, 0, 0) < 0 || setresuid (0, 0, 0) < 0)
    return failed ("be the namespace's root"), EXIT_SETUP;
  status = open_as_owner (share, &fd);
  if (status != 0)
    return status;
  if (!creel_share_root_enter (fd, share->read_only))
    return EXIT_SETUP;
  /* Nothing but the three standard streams and the socket goes into virtiofsd; the socket is number 3 there */
  if (share->socket != 3 && dup3 (share->socket, 3, O_CLOEXEC) < 0)
    return failed ("pass the socket"), EXIT_SETUP;
  if (fcntl (3, F_SETFD, 0) < 0 || syscall (SYS_close_range, 4, ~0u, 0) < 0)
    return failed ("close files"), EXIT_SETUP;
  creel_virtiofsd_command (share->program, "--fd=3", "source=" CREEL_SHARE_MOUNT, CREEL_SHARE_MOUNT, argv);
  umask (0); /* modes come from the guest, whose umask was applied */
  prctl (PR_SET_PDEATHSIG, SIGKILL); /* again: changing uids clears it */
  if (!creel_share_root_drop_capabilities ())
    return EXIT_SETUP;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !creel_share_filter_install ())
    return failed ("install the filter"), EXIT_SETUP;
  execve (share->program, (char *const *) argv, (char *const *) environment);
  failed ("start virtiofsd");
  return EXIT_SETUP;
}

/* ---- the launcher ---- */

static bool
write_map (pid_t pid, const char *name, uint32_t owner_id, uint32_t first)
{
  char path[64], text[160];
  size_t length = creel_idmap_format (owner_id, first, text, sizeof text);
  int fd;
  bool written;

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  written = fd >= 0 && write (fd, text, length) == (ssize_t) length;
  if (!written)
    failed ("map the owner into the namespace");
  if (fd >= 0)
    close (fd);
  return written;
}

static uint32_t
find_range (const char *file, const char *user, uid_t uid)
{
  char text[16384];
  ssize_t length = -1;
  int fd;

  fd = open (file, O_RDONLY | O_CLOEXEC);
  if (fd >= 0)
    {
      length = read (fd, text, sizeof text - 1);
      close (fd);
    }
  text[length > 0 ? length : 0] = '\0';
  return creel_idmap_find_range (text, user, uid);
}

static void
drop_all (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2] = { 0 };

  syscall (SYS_capset, &header, data);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
launch (const Share *share)
{
  struct passwd *user;
  uint32_t first_uid, first_gid;
  int ready[2], status;
  char byte = 1;
  pid_t pid;

  user = getpwuid (share->uid);
  if (user == NULL)
    return fprintf (stderr, "creel-share: there is no user %u\n", (unsigned) share->uid), EXIT_SETUP;
  first_uid = find_range ("/etc/subuid", user->pw_name, share->uid);
  first_gid = find_range ("/etc/subgid", user->pw_name, share->uid);
  if (pipe2 (ready, O_CLOEXEC) < 0)
    return failed ("make a pipe"), EXIT_SETUP;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  pid = (pid_t) syscall (SYS_clone,
                         CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD, NULL,
                         NULL, NULL, NULL);
  if (pid < 0)
    return failed ("make namespaces"), EXIT_SETUP;
  if (pid == 0)
    {
      close (ready[1]);
      _exit (read (ready[0], &byte, 1) == 1 ? serve (share) : EXIT_SETUP);
    }
  close (share->socket);
  if (!write_map (pid, "gid_map", user->pw_gid, first_gid) || !write_map (pid, "uid_map", share->uid, first_uid) ||
      write (ready[1], &byte, 1) != 1)
    return EXIT_SETUP;
  close (ready[1]);
  drop_all ();
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return EXIT_SETUP;
  if (WIFSIGNALED (status))
    {
      fprintf (stderr, "creel-share: virtiofsd was killed by signal %d\n", WTERMSIG (status));
      return EXIT_SETUP;
    }
  return WEXITSTATUS (status);
}

static int
check (char **paths)
{
  for (; *paths != NULL; paths++)
    {
      int fd = -1;
      CreelWorkspaceStatus status = creel_workspace_open (*paths, geteuid (), &fd);

      if (status != CREEL_WORKSPACE_OK)
        return fprintf (stderr, "%s %s\n", *paths, creel_workspace_explain (status)), (int) status;
      close (fd);
    }
  return 0;
}

int
main (int argc, char **argv)
{
  Share share = { .socket = -1 };
  unsigned number;
  bool have_uid = false;
  int i = 1;

  if (argc >= 3 && strcmp (argv[1], "--check") == 0)
    return check (argv + 2);
  for (; i < argc && strncmp (argv[i], "--", 2) == 0; i++)
    if (strcmp (argv[i], "--read-only") == 0)
      share.read_only = true;
    else if (i + 1 < argc && strcmp (argv[i], "--uid") == 0 && parse_number (argv[i + 1], &number))
      i++, share.uid = number, have_uid = true;
    else if (i + 1 < argc && strcmp (argv[i], "--fd") == 0 && parse_number (argv[i + 1], &number) && number > 2)
      i++, share.socket = (int) number;
    else
      break;
  if (i != argc - 1 || !have_uid || share.socket < 0)
    {
      fputs ("usage: creel-share --uid N --fd N [--read-only] PATH\n       creel-share --check PATH...\n", stderr);
      return EXIT_USAGE;
    }
  share.path = argv[i];
  share.program = creel_virtiofsd_find ();
  if (share.program == NULL)
    {
      fputs ("creel-share: virtiofsd is not installed: install the package virtiofsd or qemu-system-common\n", stderr);
      return EXIT_SETUP;
    }
  return launch (&share);
}
