/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is checked before the guest sees it, and what is cleaned before people do. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-exec.h"
#include "creel-guest-config.h"
#include "creel-keepsake.h"
#include "creel-records.h"

static char *
print_records (GByteArray *records)
{
  char *text = g_malloc0 (records->len + 1);

  for (guint i = 0; i < records->len; i++)
    text[i] = records->data[i] == '\0' ? '|' : (char) records->data[i];
  return text;
}

static CreelExec *
parse (const char *type, const char *argv_text, const char *options_text, gboolean capture, GError **error)
{
  static const char *const shell[] = { "sh", NULL };
  g_autoptr (GVariant) argv = g_variant_parse (G_VARIANT_TYPE (type), argv_text, NULL, NULL, NULL);
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, options_text, NULL, NULL, NULL);

  g_assert_nonnull (argv);
  g_assert_nonnull (options);
  return creel_exec_parse (argv, options, capture, shell, error);
}

static void
test_good (void)
{
  g_autoptr (CreelExec) exec = parse ("aay", "[b'ls', b'', b'a=b']",
                                      "{'environment': <['A=1','B==']>, 'cwd': <'/w'>, 'user': <'1000:1000'>, 'tty': <true>,"
                                      " 'rows': <uint16 25>, 'columns': <uint16 80>, 'term': <'xterm-256color'>}",
                                      FALSE, NULL);
  g_autoptr (CreelExec) empty = parse ("aay", "[]", "{}", FALSE, NULL);
  g_autoptr (CreelExec) capture = parse ("as", "['x']", "{'stdin': <'in'>, 'timeout': <uint64 5000000>}", TRUE, NULL);
  g_autofree char *text = print_records (exec->records);
  g_autofree char *empty_text = print_records (empty->records);

  g_assert_cmpstr (text, ==,
                   "arg=ls|arg=|arg=a=b|env=A=1|env=B==|cwd=/w|user=1000:1000|tty=1|rows=25|columns=80|term=xterm-256color|");
  g_assert_true (exec->tty);
  g_assert_cmpstr (empty_text, ==, "arg=sh|");
  g_assert_cmpuint (capture->timeout, ==, 5000000);
  g_assert_cmpuint (g_bytes_get_size (capture->input), ==, 2);
}

static void
test_bad (void)
{
  static const struct
  {
    const char *type, *argv, *options;
    gboolean capture;
  } cases[] = {
    { "aay", "[b'']", "{}", FALSE },
    { "aay", "[[byte 0x61]]", "{}", FALSE },
    { "aay", "[@ay []]", "{}", FALSE },
    { "aay", "[[byte 0x61, 0x00, 0x62, 0x00]]", "{}", FALSE },
    { "as", "['']", "{}", TRUE },
    { "aay", "[b'x']", "{'nonsense': <1>}", FALSE },
    { "aay", "[b'x']", "{'tty': <'yes'>}", FALSE },
    { "aay", "[b'x']", "{'environment': <['A']>}", FALSE },
    { "aay", "[b'x']", "{'environment': <['=A']>}", FALSE },
    { "aay", "[b'x']", "{'cwd': <'w'>}", FALSE },
    { "aay", "[b'x']", "{'user': <'a b'>}", FALSE },
    { "aay", "[b'x']", "{'term': <'a/../b'>}", FALSE },
    { "aay", "[b'x']", "{'stdin': <'a'>}", FALSE },
    { "as", "['x']", "{'tty': <true>}", TRUE },
    { "as", "['x']", "{'timeout': <uint64 99999999999999>}", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (cases[i].type, cases[i].argv, cases[i].options, cases[i].capture, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
}

static void
test_too_long (void)
{
  g_autofree char *word = g_strnfill (600000, 'x');
  const char *words[] = { word, word, NULL };
  g_autoptr (GVariant) argv = g_variant_ref_sink (g_variant_new_bytestring_array (words, -1));
  g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  g_autoptr (GError) error = NULL;

  g_assert_null (creel_exec_parse (argv, options, FALSE, NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED);
}

static void
assert_line (const char *data, gssize length, gsize max, const char *expected)
{
  g_autofree char *line = creel_text_clean_line (data, length, max);

  g_assert_cmpstr (line, ==, expected);
  g_assert_cmpuint (strlen (line), <=, max);
}

static void
test_clean (void)
{
  g_autofree char *output = creel_text_clean_output ("a\0b\377\xc3\xa4\n\033[m", 10, 100);
  g_autofree char *cut = creel_text_clean_output ("a\xc3\xa4", 3, 2);

  assert_line ("a\tb\nc\033", -1, 100, "a?b?c?");
  assert_line ("a\xe2\x80\xae" "b", -1, 100, "a?b");
  assert_line ("\xc3\xa4\xc3\xa4", -1, 3, "\xc3\xa4");
  assert_line ("x\377y", -1, 100, "x?y");
  assert_line ("", 0, 10, "");
  g_assert_cmpstr (output, ==, "a\xef\xbf\xbd" "b\xef\xbf\xbd\xc3\xa4\n\033[m");
  g_assert_cmpstr (cut, ==, "a");
}

static void
count (const char *key, const char *value, gpointer user_data)
{
  (*(int *) user_data)++;
}

static void
test_records (void)
{
  int n = 0;

  g_assert_true (creel_records_parse ("a=1\0b=\0c==\0", 11, count, &n));
  g_assert_cmpint (n, ==, 3);
  g_assert_true (creel_records_parse ("", 0, count, &n));
  g_assert_false (creel_records_parse ("a=1", 3, count, &n));
  g_assert_false (creel_records_parse ("a\0", 2, count, &n));
  g_assert_false (creel_records_parse ("=a\0", 3, count, &n));
  g_assert_false (creel_records_parse ("\0", 1, count, &n));
}

static void
test_guest_config (void)
{
  g_autoptr (CreelDefinition) definition = creel_definition_new ("box");
  CreelWorkspace workspaces[2] = { { (char *) "/home/a/w", FALSE }, { (char *) "/home/a/r:o", TRUE } };
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  const char *placeholders[] = { "OPENAI_API_KEY=sk-creel-1", NULL };
  char *environment[] = { (char *) "MINE=1", (char *) "HTTP_PROXY=", NULL };
  CreelImageConfig image = { .environment = (char *[]){ (char *) "PATH=/bin", NULL }, .user = (char *) "node",
                             .working_dir = (char *) "/srv", .entrypoint = (char *[]){ (char *) "e", NULL },
                             .command = (char *[]){ (char *) "c", NULL } };
  g_autoptr (GByteArray) records = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) command = creel_guest_config_default_command (NULL, &image);
  g_auto (GStrv) shell = creel_guest_config_default_command (NULL, NULL);
  GPtrArray *own_list = definition->workspaces;
  char **own_environment = definition->environment;

  g_ptr_array_add (list, &workspaces[0]);
  g_ptr_array_add (list, &workspaces[1]);
  definition->workspaces = list;
  definition->environment = environment;
  records = creel_guest_config_build (definition, &image, placeholders, "PEM", 5);
  definition->workspaces = own_list;
  definition->environment = own_environment;
  text = print_records (records);
  g_assert_true (g_str_has_prefix (text, "hostname=box|time=5|owner-uid=1000|mount=share0:rw:/home/a/w|"
                                         "mount=share1:ro:/home/a/r:o|env=PATH=/bin|env=HTTP_PROXY=http://127.0.0.1:3128|"));
  g_assert_true (g_str_has_suffix (text, "|env=CREEL_SANDBOX=box|env=OPENAI_API_KEY=sk-creel-1|env=MINE=1|env=HTTP_PROXY=|"
                                         "env=JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=/run/creel/java-cacerts|"
                                         "user=node|cwd=/home/a/w|ca=PEM|"));
  g_assert_cmpstr (command[0], ==, "e");
  g_assert_cmpstr (command[1], ==, "c");
  g_assert_cmpstr (shell[0], ==, "/bin/sh");
}

/* What a guest is told of Java's options; NULL: nothing. */
static char *
java_options (const char *of_image, const char *of_definition)
{
  g_autoptr (CreelDefinition) definition = creel_definition_new ("box");
  CreelImageConfig image = { .environment = (char *[]){ (char *) of_image, NULL } };
  g_autoptr (GByteArray) records = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;

  if (of_definition != NULL)
    {
      g_strfreev (definition->environment);
      definition->environment = g_strsplit (of_definition, "|", -1);
    }
  records = creel_guest_config_build (definition, &image, NULL, NULL, 5);
  text = print_records (records);
  parts = g_strsplit (text, "env=JAVA_TOOL_OPTIONS=", -1);
  g_assert_cmpuint (g_strv_length (parts), <=, 2);
  return parts[1] == NULL ? NULL : g_strndup (parts[1], strcspn (parts[1], "|"));
}

static void
test_guest_java (void)
{
  static const struct
  {
    const char *image, *definition, *wanted;
  } cases[] = {
    { "JAVA_TOOL_OPTIONS=-Xmx1g -Xms1m", NULL, "-Xmx1g -Xms1m -Djavax.net.ssl.trustStore=/run/creel/java-cacerts" },
    { "JAVA_TOOL_OPTIONS=-Xmx1g", "A=b|JAVA_TOOL_OPTIONS=-Xmx2g -Da=b", "-Djavax.net.ssl.trustStore=/run/creel/java-cacerts -Xmx2g -Da=b" },
    { "JAVA_TOOL_OPTIONS=-Xmx1g", "JAVA_TOOL_OPTIONS=", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *got = java_options (cases[i].image, cases[i].definition);

      g_assert_cmpstr (got, ==, cases[i].wanted);
    }
}

static void
test_placeholder (void)
{
  CreelCredential shaped = { .placeholder = (char *) "sk-{}-x" }, bare = { .placeholder = NULL };
  g_autofree char *a = creel_guest_config_make_placeholder (&shaped, NULL);
  g_autofree char *b = creel_guest_config_make_placeholder (&shaped, NULL);
  g_autofree char *c = creel_guest_config_make_placeholder (&bare, NULL);

  g_assert_true (g_regex_match_simple ("^sk-[0-9a-f]{32}-x$", a, 0, 0));
  g_assert_cmpstr (a, !=, b);
  g_assert_true (g_str_has_prefix (c, "creel-"));
}

static void
test_keepsake (void)
{
  g_autoptr (CreelKeepsake) keepsake = creel_keepsake_new ();
  g_autoptr (CreelKeepsake) again = NULL;
  g_autoptr (GError) error = NULL;
  int fd, open_fd = memfd_create ("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  keepsake->ca = g_strdup ("-----BEGIN\n=\n");
  g_hash_table_insert (keepsake->placeholders, g_strdup ("openai"), g_strdup ("sk=1"));
  fd = creel_keepsake_seal (keepsake, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  again = creel_keepsake_read (fd, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->ca, ==, keepsake->ca);
  g_assert_cmpstr (g_hash_table_lookup (again->placeholders, "openai"), ==, "sk=1");
  close (fd);
  g_assert_cmpint (write (open_fd, "a=1", 4), ==, 4);
  g_assert_null (creel_keepsake_read (open_fd, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
  close (open_fd);
}

/* The service manager gets the old one's removal, then a sealed memfd that reads back. */
static void
test_keepsake_store (void)
{
  g_autoptr (CreelKeepsake) keepsake = creel_keepsake_new ();
  g_autoptr (CreelKeepsake) again = NULL;
  g_autoptr (GError) error = NULL;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char text[256], control[CMSG_SPACE (sizeof (int)) + CMSG_SPACE (sizeof (struct ucred))];
  struct iovec part = { text, sizeof text - 1 };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), kept = -1;
  gssize n;

  g_snprintf (address.sun_path, sizeof address.sun_path, "/tmp/creel-notify-%d", getpid ());
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_setenv ("NOTIFY_SOCKET", address.sun_path, TRUE);
  keepsake->ca = g_strdup ("KEY");
  g_assert_true (creel_keepsake_store (keepsake, &error));
  g_assert_no_error (error);
  g_unsetenv ("NOTIFY_SOCKET");

  n = recv (fd, text, sizeof text - 1, MSG_DONTWAIT);
  g_assert_cmpmem (text, n, "FDSTOREREMOVE=1\nFDNAME=state", 28);
  n = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  g_assert_cmpmem (text, n, "FDSTORE=1\nFDNAME=state", 22);
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c))
    if (c->cmsg_type == SCM_RIGHTS)
      memcpy (&kept, CMSG_DATA (c), sizeof kept);
  again = creel_keepsake_read (kept, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->ca, ==, "KEY");
  close (kept);
  close (fd);
  unlink (address.sun_path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exec/good", test_good);
  g_test_add_func ("/exec/bad", test_bad);
  g_test_add_func ("/exec/too-long", test_too_long);
  g_test_add_func ("/text/clean", test_clean);
  g_test_add_func ("/records/parse", test_records);
  g_test_add_func ("/guest-config/build", test_guest_config);
  g_test_add_func ("/guest-config/java", test_guest_java);
  g_test_add_func ("/guest-config/placeholder", test_placeholder);
  g_test_add_func ("/keepsake/round-trip", test_keepsake);
  g_test_add_func ("/keepsake/store", test_keepsake_store);
  return g_test_run ();
}
