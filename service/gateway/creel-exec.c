/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-exec.h"

#include <string.h>

#include "creel-error.h"
#include "creel-records.h"

#define SIZE_MAX_BYTES (1024 * 1024)
#define COMMAND_SHOWN 256
#define TIMEOUT_DEFAULT (60 * (guint64) G_USEC_PER_SEC)
#define TIMEOUT_MAX (3600 * (guint64) G_USEC_PER_SEC)
#define TERM_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_"

void
creel_exec_free (CreelExec *exec)
{
  if (exec == NULL)
    return;
  g_clear_pointer (&exec->records, g_byte_array_unref);
  g_clear_pointer (&exec->input, g_bytes_unref);
  g_free (exec->command);
  g_free (exec);
}

static gboolean
invalid (GError **error, const char *text)
{
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, text);
  return FALSE;
}

static void
add_word (CreelExec *exec, const char *word)
{
  if (exec->command == NULL)
    exec->command = creel_text_clean_line (word, -1, COMMAND_SHOWN);
  creel_records_add (exec->records, "arg", word);
}

static gboolean
add_argv (CreelExec *exec, GVariant *argv, const char *const *default_argv, GError **error)
{
  gsize n = g_variant_n_children (argv);

  for (gsize i = 0; n == 0 && default_argv != NULL && default_argv[i] != NULL; i++)
    add_word (exec, default_argv[i]);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (argv, i);
      gsize length;
      const char *word;

      if (g_variant_is_of_type (child, G_VARIANT_TYPE_STRING))
        word = g_variant_get_string (child, &length);
      else
        {
          word = g_variant_get_fixed_array (child, &length, 1);
          /* the final NUL is the usual spelling, one inside would hide what follows it */
          if (length == 0 || word[length - 1] != '\0' || strlen (word) != length - 1)
            return invalid (error, "Each word of the command must end with a NUL byte and hold no other");
          length--;
        }
      if (i == 0 && length == 0)
        return invalid (error, "The command's name is empty");
      if (exec->records->len + length > SIZE_MAX_BYTES)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "The command is longer than 1 MiB");
          return FALSE;
        }
      add_word (exec, word);
    }
  return TRUE;
}

static gboolean
add_environment (CreelExec *exec, GVariant *value, GError **error)
{
  GVariantIter iter;
  const char *pair;

  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "&s", &pair))
    {
      const char *equals = strchr (pair, '=');

      if (equals == NULL || equals == pair)
        return invalid (error, "Each entry of environment must be KEY=VALUE");
      if (exec->records->len + strlen (pair) > SIZE_MAX_BYTES)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "The environment is larger than 1 MiB");
          return FALSE;
        }
      creel_records_add (exec->records, "env", pair);
    }
  return TRUE;
}

static gboolean
add_option (CreelExec *exec, const char *key, GVariant *value, gboolean capture, GError **error)
{
  const GVariantType *string = G_VARIANT_TYPE_STRING, *number = G_VARIANT_TYPE_UINT16;
  g_autofree char *text = NULL;

  if (g_str_equal (key, "environment") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    return add_environment (exec, value, error);
  if (g_str_equal (key, "cwd") && g_variant_is_of_type (value, string))
    {
      const char *cwd = g_variant_get_string (value, NULL);

      if (cwd[0] != '/' && cwd[0] != '\0')
        return invalid (error, "cwd must be an absolute path");
      if (strlen (cwd) >= 4096)
        return invalid (error, "cwd is too long");
      if (cwd[0] != '\0')
        creel_records_add (exec->records, "cwd", cwd);
      return TRUE;
    }
  if (g_str_equal (key, "user") && g_variant_is_of_type (value, string))
    {
      const char *user = g_variant_get_string (value, NULL);

      for (const char *p = user; *p != '\0'; p++)
        if (!g_ascii_isgraph (*p))
          return invalid (error, "user must be a name, a number or USER:GROUP");
      if (strlen (user) > 128)
        return invalid (error, "user is too long");
      if (user[0] != '\0')
        creel_records_add (exec->records, "user", user);
      return TRUE;
    }
  if (!capture && g_str_equal (key, "tty") && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    {
      exec->tty = g_variant_get_boolean (value);
      if (exec->tty)
        creel_records_add (exec->records, "tty", "1");
      return TRUE;
    }
  if (!capture && (g_str_equal (key, "rows") || g_str_equal (key, "columns")) && g_variant_is_of_type (value, number))
    {
      text = g_strdup_printf ("%u", g_variant_get_uint16 (value));
      creel_records_add (exec->records, key, text);
      return TRUE;
    }
  if (!capture && g_str_equal (key, "term") && g_variant_is_of_type (value, string))
    {
      const char *term = g_variant_get_string (value, NULL);

      if (strlen (term) > 64 || strspn (term, TERM_CHARACTERS) != strlen (term))
        return invalid (error, "term is not the name of a terminal");
      if (term[0] != '\0')
        creel_records_add (exec->records, "term", term);
      return TRUE;
    }
  if (!capture && g_str_equal (key, "output") && g_variant_is_of_type (value, G_VARIANT_TYPE_HANDLE))
    {
      exec->output = g_variant_get_handle (value);
      return exec->output >= 0 ? TRUE : invalid (error, "output is no descriptor");
    }
  if (!capture && g_str_equal (key, "discard") && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    {
      exec->discard = g_variant_get_boolean (value);
      return TRUE;
    }
  if (capture && g_str_equal (key, "stdin") && g_variant_is_of_type (value, string))
    {
      gsize length;
      const char *input = g_variant_get_string (value, &length);

      g_clear_pointer (&exec->input, g_bytes_unref);
      exec->input = length > 0 ? g_bytes_new (input, length) : NULL;
      return TRUE;
    }
  if (capture && g_str_equal (key, "timeout") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    {
      exec->timeout = g_variant_get_uint64 (value);
      if (exec->timeout == 0)
        exec->timeout = TIMEOUT_DEFAULT;
      if (exec->timeout > TIMEOUT_MAX)
        return invalid (error, "timeout must be at most one hour");
      return TRUE;
    }
  text = creel_text_clean_line (key, -1, 64);
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Unknown option \"%s\", or its type is wrong", text);
  return FALSE;
}

CreelExec *
creel_exec_parse (GVariant *argv, GVariant *options, gboolean capture, const char *const *default_argv, GError **error)
{
  g_autoptr (CreelExec) exec = g_new0 (CreelExec, 1);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  exec->records = g_byte_array_new ();
  exec->timeout = TIMEOUT_DEFAULT;
  exec->output = -1;
  if (!add_argv (exec, argv, default_argv, error))
    return NULL;
  g_variant_iter_init (&iter, options);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (!add_option (exec, key, value, capture, error))
      {
        g_variant_unref (value);
        return NULL;
      }
  if (exec->tty && (exec->discard || exec->output >= 0))
    {
      invalid (error, "A terminal cannot be without its output");
      return NULL;
    }
  return g_steal_pointer (&exec);
}
