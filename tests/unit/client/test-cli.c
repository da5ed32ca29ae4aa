/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real `creel` against a double of the service on a private bus. Outputs are in golden/NAME.expected; CREEL_GOLDEN_UPDATE=1 writes
 * them anew. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "cli.h"
#include "out-progress.h"
#include "out-text.h"
#include "test-cli.h"
#include "test-journal.h"

static char *folder; /* a workspace, and the working directory of all runs */

/* Runs creel with the words of `line`; status, stdout and stderr. */
int
run_with_input (const char *line, const char *input, char **ret_out, char **ret_err)
{
  g_auto (GStrv) argv = NULL;
  g_autofree char *command = g_strdup_printf ("%s %s", g_getenv ("CREEL"), line);
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_shell_parse_argv (command, NULL, &argv, NULL));
  g_subprocess_launcher_set_cwd (launcher, folder);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, input, NULL, &out, &err, &error);
  g_assert_no_error (error);
  if (ret_out != NULL)
    *ret_out = g_steal_pointer (&out);
  if (ret_err != NULL)
    *ret_err = g_steal_pointer (&err);
  return g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : 128 + g_subprocess_get_term_sig (process);
}

static int
run (const char *line)
{
  return run_with_input (line, "", NULL, NULL);
}

static void
replace (char **text, const char *what, const char *with)
{
  g_auto (GStrv) parts = g_strsplit (*text, what, -1);

  g_free (*text);
  *text = g_strjoinv (with, parts);
}

/* Compares what `line` prints and its exit code with the golden file. */
void
golden (const char *name, const char *line)
{
  g_autofree char *file = g_strdup_printf ("%s/%s.expected", g_getenv ("CREEL_GOLDEN"), name);
  g_autofree char *out = NULL, *err = NULL, *seen = NULL, *expected = NULL;
  g_autofree char *user = g_strdup_printf ("\"owner\" : %d,", (int) getuid ());
  g_autofree char *owner = g_strdup_printf ("Owner        %s\n", g_get_user_name ());
  g_autoptr (GError) error = NULL;
  int status = run_with_input (line, "", &out, &err);

  seen = g_strdup_printf ("$ creel %s\n%s%s%s[%d]\n", line, out, *err != '\0' ? "stderr: " : "", err, status);
  replace (&seen, folder, "/FOLDER");
  replace (&seen, user, "\"owner\" : 0,");
  replace (&seen, owner, "Owner        root\n");
  if (g_getenv ("CREEL_GOLDEN_UPDATE") != NULL)
    g_assert_true (g_file_set_contents (file, seen, -1, NULL));
  g_file_get_contents (file, &expected, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (seen, ==, expected);
}

static void
test_outputs (void)
{
  g_assert_cmpint (run ("create --name box --memory 1.5G --allow-host example.com -p 8080:80 -p [::1]:9000:90 shell . /tmp:ro"), ==, 0);
  golden ("ls", "ls");
  golden ("ls-json", "ls --json");
  golden ("inspect", "inspect box");
  golden ("inspect-json", "--json inspect box");
  golden ("start", "start box");
  golden ("network-show", "network proxy box");
  golden ("network-localhost", "network proxy box --allow-host localhost --block-cidr 10.0.0.0/8 --policy deny");
  golden ("network-show-json", "network proxy --json box");
  golden ("ports", "ports box");
  golden ("ports-json", "ports --json box");
  golden ("ports-publish", "ports box --publish 7777:80");
  golden ("ports-failed", "ports box");
  golden ("ports-quiet", "ports -q box");
  golden ("ports-busy", "ports box -p 6666");
  golden ("ports-bad", "ports box -p 80/udp");
  golden ("ports-restart", "restart box");
  golden ("ports-unpublish", "ports box --unpublish 7777");
  golden ("ports-none", "ports box");
  golden ("network-check", "network check box https://example.com/");
  golden ("network-check-denied", "network check box https://evil.test/ --method POST");
  golden ("network-check-answered", "network check box https://answered.example.com/");
  golden ("network-check-declined", "network check box https://answered.test/");
  golden ("network-check-json", "network check --json box https://evil.test/");
  golden ("image-ls", "image ls");
  golden ("image-ls-json", "image ls --json");
  golden ("image-build", "image build shell");
  golden ("image-build-instant", "image build instant");
  golden ("image-build-bad", "image build bad");
  golden ("image-build-quiet", "image build -q shell");
  golden ("image-build-options", "image build -t a:1 --preset open --allow-host b.example --build-arg A=1 --build-arg NOTHING -m 1G --disk 2G --cpus 2 ./");
  golden ("image-build-no-folder", "image build ./missing");
  golden ("image-build-size", "image build --memory x shell");
  golden ("image-import", "image import /dev/null");
  golden ("image-rm-used", "image rm shell other");
  golden ("image-pull", "image pull ghcr.io/x/y");
  golden ("image-pull-quiet", "image pull -q instant");
  golden ("image-push-json", "--json image push shell instant");
  golden ("image-tag", "image tag shell other:1");
  golden ("image-prune", "image prune");
  golden ("image-prune-json", "image prune --all --json");
  golden ("image-inspect", "image inspect shell");
  golden ("image-export-bad", "image export shell /nowhere/file");
  golden ("secret-registry-bad", "secret set --registry http://x");
  golden ("secret-registry-two", "secret rm --registry x.de openai");
  golden ("version", "version");
  golden ("version-json", "version --json");
  golden ("exec-detached", "exec -d box true");
  golden ("rm-running", "rm box");
  golden ("save", "save -m text box mine:1");
  golden ("save-bad", "save box bad");
  golden ("stop", "stop box");
  golden ("stop-again", "stop -t 3 box");
  golden ("rm", "rm box");
}

static void
test_errors (void)
{
  golden ("error-verb", "fly");
  golden ("error-group", "network");
  golden ("error-option", "ls --colour");
  golden ("error-missing", "create");
  golden ("error-words", "ls one");
  golden ("error-name-slash", "create --name a/b shell");
  golden ("error-name-upper", "create --name Box shell");
  golden ("error-name-dot", "inspect ..");
  golden ("error-workspace", "create shell ./missing");
  golden ("error-size", "create --memory lots shell");
  golden ("error-env", "create -e 1=2 shell");
  golden ("error-cidr", "network proxy box --allow-cidr 10.0.0.1");
  golden ("error-none", "inspect nobody");
  golden ("error-save-none", "save nobody mine");
  golden ("error-save-words", "save box");
  golden ("error-cp-local", "cp ./a ./b");
  golden ("error-cp-none", "cp nobody:/x .");
  golden ("error-run-none", "run nobody");
  golden ("error-image", "create -t nosuch --name imageless shell");
  golden ("error-denied", "create --name denied shell");
  golden ("error-auth", "create --name locked shell");
  golden ("error-tty", "exec -it box sh");
  golden ("error-file", "image import ./missing");
  g_assert_cmpint (run ("create --name broken shell"), ==, 0);
  golden ("error-start", "start broken");
  golden ("error-exec-stopped", "exec broken true");
  g_assert_cmpint (run ("rm -q broken"), ==, 0);
}

/* What is wrong is said in one line, by us, whatever the words are. */
static void
test_bad_words (void)
{
  static const struct
  {
    const char *line;
    int status;
    const char *says;
  } cases[] = {
    { "inspect \xff", 2, "\\xff\" is not UTF-8" },
    { "image push \xff", 2, "\\xff\" is not UTF-8" },
    { "image tag shell \xff", 2, "\\xff\" is not UTF-8" },
    { "image export \xff f", 2, "\\xff\" is not UTF-8" },
    { "image import /dev/null \xff", 2, "\\xff\" is not UTF-8" },
    { "image import \xff", 1, "Cannot open \\xff: No such file" },
    { "image build \xff", 2, "\\xff\" is not UTF-8" },
    { "model pull \xff", 2, "\\xff\" is not UTF-8" },
    { "model run tiny -- \xff", 2, "\\xff\" is not UTF-8" },
    { "create shell . -- \xff", 2, "\\xff\" is not UTF-8" },
    { "run \xff", 2, "\\xff\" is not UTF-8" },
    { "run shell \xff", 1, "\\xff: No such file" },
    { "exec \xff ls", 2, "cannot be the name of a sandbox" },
    { "cp \xff:/x .", 2, "cannot be the name of a sandbox" },
    { "cp /etc/passwd bad:/\xff", 2, "\\xff\" is not UTF-8" },
    { "create -e A=\xff shell", 2, "no text in this locale; see: creel help create" },
    { "create -e CREEL_TEST_BYTES shell", 2, "CREEL_TEST_BYTES has here is not UTF-8" },
    { "image build --build-arg CREEL_TEST_BYTES .", 2, "CREEL_TEST_BYTES has here is not UTF-8" },
    { "create --env-file /dev/zero shell", 2, "--env-file /dev/zero: File too large" },
    { "create --env-file /tmp shell", 2, "--env-file /tmp: Is a directory" },
    { "create --env-file \xff shell", 2, "--env-file \\xff: No such file" },
    { "stop -t -1 a", 2, "--time: -1 is below zero; see: creel help stop" },
    { "create --cpus 0 shell", 2, "--cpus: \"0\" is not a number of processors" },
    { "image build --cpus x shell", 2, "--cpus: \"x\" is not a number of processors" },
    { "create shell -- ''", 2, "The command after -- has an empty name" },
    { "image export shell /tmp", 2, "\"/tmp\" is no file" },
    { "image export shell ''", 2, "\"\" is no file" },
    { "model pull /tmp", 2, "\"/tmp\" is a folder" },
    { "cp bad:/x .", 1, "does not run; start it with \"creel start NAME\"" },
    { "cp bad:/x /dev/null", 1, "does not run; start it with \"creel start NAME\"" },
  };
  g_autofree char *word = g_strnfill (5000, 'a'), *line = g_strconcat (word, " x", NULL), *err = NULL;

  g_assert_cmpint (run ("create --name bad shell"), ==, 0);
  g_setenv ("CREEL_TEST_BYTES", "\xff", TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = NULL, *said = NULL;

      g_assert_cmpint (run_with_input (cases[i].line, "", &out, &said), ==, cases[i].status);
      g_test_message ("%s", said);
      g_assert_cmpstr (out, ==, "");
      g_assert_true (g_str_has_prefix (said, "creel: "));
      g_assert_nonnull (strstr (said, cases[i].says));
      g_assert_true (strchr (said, '\n') == strrchr (said, '\n'));
    }
  g_unsetenv ("CREEL_TEST_BYTES");
  g_assert_cmpint (run ("rm -q bad"), ==, 0);
  /* what to do stays in sight */
  g_assert_cmpint (run_with_input (line, "", NULL, &err), ==, 2);
  g_assert_cmpuint (strlen (err), <, 1000);
  g_assert_true (g_str_has_prefix (err, "creel: There is no verb \"aaa") && g_str_has_suffix (err, "aaa\"; see: creel help\n"));
}

static void
test_names (void)
{
  g_autofree char *first = NULL, *second = NULL;

  g_assert_cmpint (run_with_input ("create shell .", "", &first, NULL), ==, 0);
  g_assert_true (g_str_has_prefix (first, "shell-"));
  g_assert_cmpint (run_with_input ("create shell .", "", &second, NULL), ==, 0);
  g_assert_cmpstr (first, !=, second);
  g_strchomp (first);
  g_strchomp (second);
  g_assert_true (g_str_has_prefix (second, first) && g_str_has_suffix (second, "-2"));

  g_autofree char *rm = g_strdup_printf ("rm %s %s", first, second);

  g_assert_cmpint (run (rm), ==, 0);

  g_autofree char *odd = cli_default_name ("shell", "/home/alice/Über My_Project.");
  g_autofree char *root = cli_default_name ("shell", "/");
  g_autofree char *image = cli_default_name ("docker.io/library/debian:12", NULL);
  g_autofree char *read_only = cli_default_name ("shell", "/a/b:ro");

  g_assert_cmpstr (odd, ==, "shell---ber-my-project");
  g_assert_cmpstr (root, ==, "shell");
  g_assert_cmpstr (image, ==, "docker-io-library-debian-12");
  g_assert_cmpstr (read_only, ==, "shell-b");
}

static void
test_run (void)
{
  g_autofree char *out = NULL, *err = NULL, *names = NULL, *again = NULL;
  g_autofree char *root = g_dir_make_tmp ("creel-root-XXXXXX", NULL);
  g_autofree char *agents = g_strconcat (root, "/etc/creel/agents.d", NULL), *agent = g_strconcat (agents, "/shell.conf", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -r %s", root);

  g_assert_cmpint (run ("create --name attach shell"), ==, 0);
  g_assert_cmpint (run_with_input ("run attach", "hello\n", &out, NULL), ==, 0); /* its command is cat */
  g_assert_cmpstr (out, ==, "hello\n");
  g_assert_cmpint (run ("run attach -- sh -c 'exit 42'"), ==, 42);
  g_assert_cmpint (run ("rm -f attach"), ==, 0);

  /* the same agent and folder: the same sandbox */
  g_assert_cmpint (run ("run shell . -- sh -c 'exit 3'"), ==, 3);
  g_assert_cmpint (run ("run shell . -- sh -c 'exit 4'"), ==, 4);
  /* an agent's name alone is looked up as a sandbox's first */
  g_assert_cmpint (g_mkdir_with_parents (agents, 0755), ==, 0);
  g_assert_true (g_file_set_contents (agent, "[Agent]\nImage=shell\nCommand=cat\n", -1, NULL));
  g_setenv ("CREEL_ROOT", root, TRUE);
  g_assert_cmpint (run_with_input ("run shell -- sh -c 'exit 6'", "", NULL, &err), ==, 6);
  g_unsetenv ("CREEL_ROOT");
  g_assert_cmpstr (err, ==, "");
  g_assert_true (g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL));
  g_assert_cmpint (run_with_input ("ls -q", "", &names, NULL), ==, 0);
  g_assert_null (strchr (g_strchomp (names), '\n'));

  g_autofree char *rm = g_strdup_printf ("rm -f %s", names);

  g_assert_cmpint (run (rm), ==, 0);
  g_assert_cmpint (run ("run --rm shell . -- sh -c 'exit 5'"), ==, 5);
  g_assert_cmpint (run_with_input ("ls -q", "", &again, NULL), ==, 0);
  g_assert_cmpstr (again, ==, "");
}

static void
test_exec (void)
{
  g_autofree char *out = NULL, *err = NULL, *closed = NULL, *environment = NULL;

  g_assert_cmpint (run ("create --name ex shell"), ==, 0);
  g_assert_cmpint (run ("start ex"), ==, 0);
  g_assert_cmpint (run_with_input ("exec -i ex sh -c 'cat; echo oops >&2; exit 7'", "in\n", &out, &err), ==, 7);
  g_assert_cmpstr (out, ==, "in\n");
  g_assert_cmpstr (err, ==, "oops\n");
  /* without -i there is nothing to read */
  g_assert_cmpint (run_with_input ("exec ex cat", "not passed on\n", &closed, NULL), ==, 0);
  g_assert_cmpstr (closed, ==, "");
  g_assert_cmpint (run ("exec ex sh -c 'kill -9 $$'"), ==, 128 + 9);
  g_assert_cmpint (run ("exec ex no-such-command"), ==, 127);
  golden ("exec-missing", "exec ex not-there-executable");
  golden ("exec-not-executable", "exec ex -- /etc/passwd");
  /* nor does a name, which a guest may have made, decide which of the two it is */
  g_autofree char *misleading = g_build_filename (folder, "cannot run \"x", NULL);
  g_assert_true (g_file_set_contents (misleading, "", 0, NULL));
  g_autofree char *line = g_strdup_printf ("exec ex -- '%s'", misleading);
  g_assert_cmpint (run (line), ==, 126);
  g_assert_cmpint (g_remove (misleading), ==, 0);
  g_assert_cmpint (run ("exec ex -- sh -c 'exit 6'"), ==, 6);
  g_assert_cmpint (run_with_input ("exec -e A=b -w /tmp ex sh -c 'echo $A $PWD'", "", &environment, NULL), ==, 0);
  g_assert_cmpstr (environment, ==, "b /tmp\n");
  /* options after the command are the command's */
  g_assert_cmpint (run ("exec ex sh -c 'exit $#' sh --json -q"), ==, 2);
  /* a background process that keeps the output open does not keep us */
  g_assert_cmpint (run ("exec ex sh -c 'sleep 30 & exit 8'"), ==, 8);
  g_assert_cmpint (run ("rm -f ex"), ==, 0);
}

static void
test_exec_pipe (void)
{
  g_autofree char *script = g_strdup_printf ("head -c 100000000 /dev/zero | %s exec -i pipe cat | cksum", g_getenv ("CREEL"));
  g_autofree char *early = g_strdup_printf ("timeout 20 %s exec pipe sh -c 'yes; echo $? >&2' | head -n 1", g_getenv ("CREEL"));
  const char *argv[] = { "sh", "-c", script, NULL };
  g_autofree char *out = NULL, *first = NULL;
  struct rusage usage;
  int status;

  g_assert_cmpint (run ("create --name pipe shell"), ==, 0);
  g_assert_cmpint (run ("start pipe"), ==, 0);
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, &status, NULL));
  g_assert_cmpstr (out, ==, "747582247 100000000\n");
  getrusage (RUSAGE_CHILDREN, &usage);
  g_assert_cmpint (usage.ru_maxrss, <, 400 * 1024); /* KiB; also of the instrumented build */
  /* the reader leaves: so does the command, and so do we */
  argv[2] = early;
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &first, NULL, &status, NULL));
  g_assert_cmpstr (first, ==, "y\n");
  g_assert_cmpint (run ("rm -f pipe"), ==, 0);
}

char *
read_until (int terminal, const char *wanted)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 end = g_get_monotonic_time () + 15 * G_USEC_PER_SEC;
  char buffer[512];

  while (strstr (text->str, wanted) == NULL && g_get_monotonic_time () < end)
    {
      GPollFD ready = { terminal, G_IO_IN, 0 };
      gssize n = g_poll (&ready, 1, 200) > 0 ? read (terminal, buffer, sizeof buffer) : 0;

      if (n < 0)
        break;
      g_string_append_len (text, buffer, n);
    }
  if (strstr (text->str, wanted) == NULL)
    g_error ("waited for \"%s\", got: %s", wanted, text->str);
  return g_strdup (text->str);
}

/* The terminal is raw while the session lives, and as before after each way out. */
static void
terminal_session (int number, int expected)
{
  int terminal, slave, status;
  struct termios before, during, after;
  struct winsize size = { 33, 99, 0, 0 };
  g_autofree char *text = NULL, *resized = NULL;
  pid_t pid;

  g_assert_no_errno (openpty (&terminal, &slave, NULL, NULL, &size));
  g_assert_no_errno (tcgetattr (slave, &before));
  pid = fork ();
  if (pid == 0)
    {
      login_tty (slave);
      execl (g_getenv ("CREEL"), "creel", "exec", "-it", "term", "sh", "-c", "echo ready; read line; stty size; exec sleep 60", NULL);
      _exit (1);
    }
  text = read_until (terminal, "ready");
  g_assert_no_errno (tcgetattr (slave, &during));
  g_assert_false (during.c_lflag & ICANON);
  size.ws_row = 44;
  ioctl (terminal, TIOCSWINSZ, &size);
  g_usleep (300 * 1000);
  g_assert_cmpint (write (terminal, "go\r", 3), ==, 3);
  resized = read_until (terminal, "44 99");
  if (number > 0)
    kill (pid, number);
  else
    g_assert_cmpint (write (terminal, "\003", 1), ==, 1);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  if (WIFEXITED (status))
    g_assert_cmpint (WEXITSTATUS (status), ==, expected);
  else
    g_assert_cmpint (WTERMSIG (status), ==, number);
  g_assert_no_errno (tcgetattr (slave, &after));
  g_assert_cmpint (after.c_lflag, ==, before.c_lflag);
  g_assert_cmpint (after.c_iflag, ==, before.c_iflag);
  close (terminal);
  close (slave);
}

static void
test_terminal (void)
{
  g_assert_cmpint (run ("create --name term shell"), ==, 0);
  g_assert_cmpint (run ("start term"), ==, 0);
  terminal_session (0, 128 + SIGINT);        /* Ctrl-C belongs to the command */
  terminal_session (SIGTERM, 128 + SIGTERM); /* passed on */
  terminal_session (SIGSEGV, 0);             /* a crash */
  g_assert_cmpint (run ("rm -f term"), ==, 0);
}

static void
test_help (void)
{
  for (const CliVerb *verb = cli_verbs; verb->name != NULL; verb++)
    {
      g_autofree char *line = g_strdup_printf ("help %s", verb->name), *option = g_strdup_printf ("%s --help", verb->name);
      g_autofree char *out = NULL, *same = NULL;
      g_auto (GStrv) lines = NULL;

      g_assert_cmpint (run_with_input (line, "", &out, NULL), ==, 0);
      g_assert_cmpint (run_with_input (option, "", &same, NULL), ==, 0);
      g_assert_cmpstr (out, ==, same);
      g_assert_true (g_str_has_prefix (out, "Usage: creel "));
      lines = g_strsplit (out, "\n", -1);
      for (char **l = lines; *l != NULL; l++)
        g_assert_cmpint (strlen (*l), <=, 80);
    }
  golden ("help", "");
}

static void
test_doctor (void)
{
  g_autofree char *out = NULL;

  g_assert_cmpint (run_with_input ("doctor", "", &out, NULL), ==, 1);
  g_assert_nonnull (strstr (out, "ok       service      creeld 0.1.0, creel 0.1.0\n"));
  g_assert_nonnull (strstr (out, "error    libvirt      libvirtd is not installed\n                      -> sudo apt install libvirt-daemon-system\n"));
}

static guint64 journal_time = 1700000000000000; /* when the double's sandboxes were made */

static void
add_entry (GString *journal, const char *unit, const char *fields)
{
  journal_time += G_USEC_PER_SEC;
  test_journal_add (journal, journal_time, unit, fields);
}

#define REQUEST "MESSAGE_ID=" CREEL_MESSAGE_REQUEST "|CREEL_EVENT=request|SYSLOG_IDENTIFIER=creel-gateway|MESSAGE=request|"
#define QUESTION "MESSAGE_ID=" CREEL_MESSAGE_QUESTION "|CREEL_EVENT=question|SYSLOG_IDENTIFIER=creel-gateway|MESSAGE=question|"
#define DONE "MESSAGE_ID=" CREEL_MESSAGE_REQUEST_DONE "|CREEL_EVENT=request|SYSLOG_IDENTIFIER=creel-gateway|MESSAGE=done|"

static void
test_journal (void)
{
  g_autoptr (GString) journal = g_string_new (NULL);
  g_autofree char *file = g_build_filename (folder, "box.journal", NULL);

  test_journal_add (journal, journal_time - 1, "creel-gateway@box.service", REQUEST "CREEL_VERDICT=allow|CREEL_METHOD=GET|CREEL_HOST=earlier.test|CREEL_PORT=443");
  test_journal_add (journal, journal_time - 1, "creel@box.service", "CREEL_SANDBOX=box|SYSLOG_IDENTIFIER=creel-machine|MESSAGE=Of who had the name before");
  add_entry (journal, "creel@box.service", "CREEL_SANDBOX=box|SYSLOG_IDENTIFIER=creel-machine|MESSAGE=Sandbox box started");
  add_entry (journal, "creel-gateway@box.service", REQUEST "CREEL_VERDICT=allow|CREEL_METHOD=GET|CREEL_HOST=example.com|CREEL_PORT=443|CREEL_PATH=/a|CREEL_RULE=example.com");
  add_entry (journal, "creel-gateway@box.service", DONE "CREEL_VERDICT=allow|CREEL_METHOD=GET|CREEL_HOST=example.com|CREEL_PORT=443|CREEL_STATUS=200");
  add_entry (journal, "creel-gateway@box.service", REQUEST "CREEL_VERDICT=deny|CREEL_REASON=policy|CREEL_METHOD=CONNECT|CREEL_HOST=evil.test|CREEL_PORT=443");
  add_entry (journal, "creel-gateway@box.service", DONE "CREEL_VERDICT=allow|CREEL_REASON=credential|CREEL_METHOD=GET|CREEL_HOST=api.test|CREEL_PORT=443|CREEL_STATUS=503");
  add_entry (journal, "creel-gateway@box.service", "MESSAGE_ID=" CREEL_MESSAGE_PORT "|CREEL_EVENT=port|SYSLOG_IDENTIFIER=creel-gateway|MESSAGE=port|"
             "CREEL_VERDICT=allow|CREEL_HOST=127.0.0.1|CREEL_PORT=8080|CREEL_GUEST_PORT=80|CREEL_PEER=127.0.0.1:40000");
  add_entry (journal, "creel-gateway@box.service", QUESTION "CREEL_ANSWER=waits|CREEL_METHOD=CONNECT|CREEL_HOST=ask.test|CREEL_PORT=443|CREEL_RULE=*.test|CREEL_QUESTION=7");
  add_entry (journal, "creel-gateway@box.service", QUESTION "CREEL_ANSWER=run|CREEL_ANSWERED_BY=1000|CREEL_METHOD=CONNECT|CREEL_HOST=ask.test|CREEL_PORT=443|CREEL_QUESTION=7");
  add_entry (journal, "creel-gateway@box.service", REQUEST "CREEL_VERDICT=deny|CREEL_REASON=limit|CREEL_RULE=RequestsPerSecMax=1000|CREEL_COUNT=301");
  /* another sandbox's, and a forgery by somebody who may write any field but those of journald */
  add_entry (journal, "creel-gateway@other.service", REQUEST "CREEL_VERDICT=allow|CREEL_METHOD=GET|CREEL_HOST=other.test|CREEL_PORT=443");
  add_entry (journal, "user@1000.service", REQUEST "CREEL_SANDBOX=box|CREEL_VERDICT=allow|CREEL_METHOD=GET|CREEL_HOST=forged.test|CREEL_PORT=443");
  add_entry (journal, "creeld.service", "CREEL_SANDBOX=box|_COMM=creeld|MESSAGE=said \033[31mred");
  add_entry (journal, "creeld.service", "CREEL_SANDBOX=other|SYSLOG_IDENTIFIER=creeld|MESSAGE=of another");
  add_entry (journal, "init.scope", "_PID=1|UNIT=creel@box.service|SYSLOG_IDENTIFIER=systemd|MESSAGE=Started creel@box.service");
  if (!test_journal_write (journal, folder, "box"))
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  g_assert_cmpint (run ("create --name box shell"), ==, 0);
  golden ("network-log", "network log box");
  golden ("network-log-last", "network log -n 3 box");
  golden ("network-log-all", "network log -n -1 box");
  golden ("network-log-many", "network log -n 1001 box");
  golden ("network-log-json", "network log --json box");
  golden ("logs", "logs box");
  golden ("logs-last", "logs -n 1 box");
  golden ("logs-json", "logs --json box");
  g_assert_cmpint (run ("rm box"), ==, 0);
  g_unlink (file);
}

static void
test_no_service (void)
{
  golden ("no-service-ls", "ls");
  golden ("no-service-version", "version");

  g_autofree char *out = NULL;

  g_assert_cmpint (run_with_input ("doctor", "", &out, NULL), ==, 1);
  g_assert_nonnull (strstr (out, "error    service      the system bus does not know org.creel.Creel1\n"));
}

static void
test_text (void)
{
  static const struct
  {
    const char *in, *out;
    gboolean lines;
  } cases[] = {
    { "plain ü", "plain ü", FALSE },
    { "a\nb\tc", "a\nb\tc", TRUE },
    { "a\nb", "a\\x0ab", FALSE },
    { "\033[31mred\033]0;title\a", "\\x1b[31mred\\x1b]0;title\\x07", TRUE },
    { "line\r\nnext\rover", "line\nnext\\x0dover", TRUE },
    { "\xc2\x9b"
      "31m",
      "\\u{9b}31m", TRUE },
    { "\xe2\x80\xae"
      "txt.exe",
      "\\u{202e}txt.exe", TRUE },
    { "bad \xff\xfe", "bad \\xff\\xfe", TRUE },
    { "cut \xe2\x82", "cut \\xe2\\x82", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *out = out_printable (cases[i].in, -1, cases[i].lines);

      g_assert_cmpstr (out, ==, cases[i].out);
    }
}

static void
test_sizes (void)
{
  static const struct
  {
    const char *text;
    guint64 bytes;
  } good[] = { { "1", 1 }, { "128M", 128 << 20 }, { "2g", 2UL << 30 }, { "1.5K", 1536 }, { "2GiB", 2UL << 30 }, { "3mb", 3 << 20 } };
  static const char *const bad[] = { "", "0", "-1", "G", "1X", "1MM", "0x10", "1e400", "nan", " 1", "99999999T" };
  guint64 bytes;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_assert_true (cli_parse_size (good[i].text, &bytes, NULL));
      g_assert_cmpuint (bytes, ==, good[i].bytes);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (cli_parse_size (bad[i], &bytes, NULL));
}

static void
test_progress (void)
{
  g_autofree char *bytes = out_progress_format ("reading", 512 << 20, 1UL << 30, 10, 80);
  g_autofree char *steps = out_progress_format ("packing", 5, 10, 0, 80);
  g_autofree char *unknown = out_progress_format ("reading", 10 << 20, 0, 2, 80);
  g_autofree char *narrow = out_progress_format ("reading", 512 << 20, 1UL << 30, 10, 20);

  g_assert_cmpstr (bytes, ==, "reading [##############...............] 512 MiB of 1 GiB, 51.2 MiB/s, 0:10 left");
  g_assert_cmpstr (steps, ==, "packing [###############...............] 5 of 10");
  g_assert_cmpstr (unknown, ==, "reading 10 MiB, 5 MiB/s");
  g_assert_cmpint (strlen (narrow), <, 20);
}

int
main (int argc, char **argv)
{
  g_autoptr (GTestDBus) bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) fake = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_setenv ("TZ", "UTC", TRUE);
  g_test_add_func ("/cli/text", test_text);
  g_test_add_func ("/cli/sizes", test_sizes);
  g_test_add_func ("/cli/progress", test_progress);
  g_test_add_func ("/cli/help", test_help);
  g_test_add_func ("/cli/outputs", test_outputs);
  g_test_add_func ("/cli/errors", test_errors);
  g_test_add_func ("/cli/bad-words", test_bad_words);
  g_test_add_func ("/cli/names", test_names);
  g_test_add_func ("/cli/run", test_run);
  g_test_add_func ("/cli/exec", test_exec);
  g_test_add_func ("/cli/exec-pipe", test_exec_pipe);
  g_test_add_func ("/cli/terminal", test_terminal);
  g_test_add_func ("/cli/doctor", test_doctor);
  g_test_add_func ("/cli/journal", test_journal);
  add_model_tests ();
  add_approve_tests ();

  g_test_dbus_up (bus);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address (bus), TRUE);
  folder = g_dir_make_tmp ("creel-cli-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("CREEL_JOURNAL", folder, TRUE); /* the double's */
  /* before the double is there; not a test of its own, as it cannot be run in another order */
  test_no_service ();
  fake = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, g_getenv ("CREEL_FAKE"), NULL);
  g_assert_no_error (error);
  for (int i = 0; i < 100 && run ("ls") != 0; i++)
    g_usleep (50 * 1000);
  status = g_test_run ();
  g_subprocess_send_signal (fake, SIGTERM);
  g_subprocess_wait (fake, NULL, NULL);
  g_rmdir (folder);
  g_free (folder);
  g_test_dbus_down (bus);
  return status;
}
