/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-shares.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-definition.h"
#include "creel-error.h"
#include "creel-workspace.h"

struct _CreelShares
{
  GObject parent;
  GCancellable *cancellable;
  GPtrArray *launchers; /* GSubprocess */
  GPtrArray *sockets;   /* paths, NULL-terminated */
  gboolean ending;
};

G_DEFINE_FINAL_TYPE (CreelShares, creel_shares, G_TYPE_OBJECT)

static guint signal_died;

typedef struct
{
  CreelShares *shares; /* not owned: cancelled in dispose */
  char *path;
} Watch;

static void
watch_free (Watch *watch)
{
  g_free (watch->path);
  g_free (watch);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Watch, watch_free)

static void
on_launcher_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Watch) watch = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GSubprocess *process = G_SUBPROCESS (source);

  if (!g_subprocess_wait_finish (G_SUBPROCESS (source), result, &error) || watch->shares->ending)
    return;
  if (g_subprocess_get_if_exited (process) && g_subprocess_get_exit_status (process) >= CREEL_WORKSPACE_MISSING &&
      g_subprocess_get_exit_status (process) <= CREEL_WORKSPACE_RELATIVE)
    {
      text = g_strdup_printf ("Workspace %s %s", watch->path,
                              creel_workspace_explain ((CreelWorkspaceStatus) g_subprocess_get_exit_status (process)));
      g_signal_emit (watch->shares, signal_died, 0, CREEL_ERROR_BAD_WORKSPACE, text);
      return;
    }
  text = g_strdup_printf ("The file server of workspace %s ended and a guest cannot do without it: start the sandbox again",
                          watch->path);
  g_signal_emit (watch->shares, signal_died, 0, CREEL_ERROR_FAILED, text);
}

/* A listening socket for QEMU's user alone */
static int
listen_on (const char *path, uid_t qemu_uid, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The socket's path %s is too long", path);
      return -1;
    }
  strcpy (address.sun_path, path);
  g_unlink (path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && g_chmod (path, 0600) == 0 &&
      chown (path, qemu_uid, (gid_t) -1) == 0 && listen (fd, 1) == 0)
    return fd;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make the socket %s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static gboolean
start_one (CreelShares *self, const char *directory, const char *program, const CreelWorkspace *workspace, uid_t owner,
           uid_t qemu_uid, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *path = g_strdup_printf ("%s/share%u.sock", directory, self->launchers->len);
  g_autofree char *uid = g_strdup_printf ("%u", (guint) owner);
  const char *argv[] = { program, "--uid", uid, "--fd", "3", NULL, NULL, NULL };
  guint n = 5;
  Watch *watch;
  int fd = listen_on (path, qemu_uid, error);

  if (fd < 0)
    return FALSE;
  g_subprocess_launcher_take_fd (launcher, fd, 3);
  if (workspace->read_only)
    argv[n++] = "--read-only";
  argv[n++] = workspace->path;
  process = g_subprocess_launcher_spawnv (launcher, argv, error);
  if (process == NULL)
    return FALSE;
  watch = g_new0 (Watch, 1);
  watch->shares = self;
  watch->path = g_strdup (workspace->path);
  g_subprocess_wait_async (process, self->cancellable, on_launcher_ended, watch);
  g_ptr_array_add (self->launchers, g_steal_pointer (&process));
  g_ptr_array_insert (self->sockets, (int) self->sockets->len - 1, g_steal_pointer (&path));
  return TRUE;
}

CreelShares *
creel_shares_start (const char *directory, const char *program, GPtrArray *workspaces, uid_t owner, uid_t qemu_uid,
                    GError **error)
{
  g_autoptr (CreelShares) self = g_object_new (CREEL_TYPE_SHARES, NULL);

  /* chmod: whatever our umask, QEMU's user goes through */
  if (g_mkdir_with_parents (directory, 0711) < 0 || g_chmod (directory, 0711) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make %s: %s", directory, g_strerror (errno));
      return NULL;
    }
  for (guint i = 0; workspaces != NULL && i < workspaces->len; i++)
    if (!start_one (self, directory, program, g_ptr_array_index (workspaces, i), owner, qemu_uid, error))
      {
        g_prefix_error (error, "Cannot share a workspace: ");
        return NULL;
      }
  return g_steal_pointer (&self);
}

const char *const *
creel_shares_get_sockets (CreelShares *self)
{
  return (const char *const *) self->sockets->pdata;
}

void
creel_shares_expect_end (CreelShares *self)
{
  self->ending = TRUE;
}

static void
creel_shares_dispose (GObject *object)
{
  CreelShares *self = CREEL_SHARES (object);

  self->ending = TRUE;
  g_cancellable_cancel (self->cancellable);
  /* The launcher's child, virtiofsd, dies with it */
  for (guint i = 0; i < self->launchers->len; i++)
    g_subprocess_send_signal (g_ptr_array_index (self->launchers, i), SIGKILL);
  for (guint i = 0; i + 1 < self->sockets->len; i++)
    g_unlink (g_ptr_array_index (self->sockets, i));
  g_ptr_array_set_size (self->launchers, 0);
  G_OBJECT_CLASS (creel_shares_parent_class)->dispose (object);
}

static void
creel_shares_finalize (GObject *object)
{
  CreelShares *self = CREEL_SHARES (object);

  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->launchers, g_ptr_array_unref);
  g_clear_pointer (&self->sockets, g_ptr_array_unref);
  G_OBJECT_CLASS (creel_shares_parent_class)->finalize (object);
}

static void
creel_shares_class_init (CreelSharesClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = creel_shares_dispose;
  G_OBJECT_CLASS (klass)->finalize = creel_shares_finalize;
  signal_died = g_signal_new ("died", CREEL_TYPE_SHARES, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_INT,
                              G_TYPE_STRING);
}

static void
creel_shares_init (CreelShares *self)
{
  self->cancellable = g_cancellable_new ();
  self->launchers = g_ptr_array_new_with_free_func (g_object_unref);
  self->sockets = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->sockets, NULL);
}
