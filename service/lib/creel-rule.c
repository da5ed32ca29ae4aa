/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-rule.h"

#include <string.h>

#include "creel-names.h"

#define RULE_MAX_BYTES 4096

static const char *const localhost_names[] = {
  "localhost", "127.0.0.1", "host.docker.internal", "gateway.docker.internal", "host.creel.internal",
  "model.creel.internal", "model-runner.docker.internal", NULL,
};

static gboolean
bad_rule (GError **error, const char *text, const char *why)
{
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Bad network rule “%s”: %s", text, why);
  return FALSE;
}

void
creel_rule_free (CreelRule *rule)
{
  if (rule == NULL)
    return;
  g_free (rule->text);
  g_free (rule->origin);
  g_free (rule->name);
  g_strfreev (rule->methods);
  g_strfreev (rule->paths);
  g_free (rule);
}

void
creel_rule_set_approved (CreelRule *rule)
{
  g_return_if_fail (rule->verdict == CREEL_VERDICT_ALLOW);
  rule->approved = TRUE;
}

gboolean
creel_rule_is_only_for (const CreelRule *rule, const CreelHost *host, guint16 port)
{
  return !rule->any_port && rule->port == port && creel_rule_matches_host (rule, host) &&
         (rule->kind == CREEL_RULE_EXACT || rule->kind == CREEL_RULE_LOCALHOST ||
          (rule->kind == CREEL_RULE_CIDR && creel_cidr_is_single (&rule->cidr)));
}

const char *
creel_rule_get_text (const CreelRule *rule)
{
  return rule->text;
}

const char *
creel_rule_get_origin (const CreelRule *rule)
{
  return rule->origin;
}

static gboolean
parse_port_suffix (CreelRule *rule, char *pattern, GError **error)
{
  char *colon = strrchr (pattern, ':');
  guint64 port;

  if (pattern[0] == '[')
    {
      char *bracket = strchr (pattern, ']');

      if (bracket == NULL)
        return bad_rule (error, rule->text, "the bracket is not closed");
      colon = bracket[1] == ':' ? bracket + 1 : NULL;
      if (colon == NULL && bracket[1] != '\0')
        return bad_rule (error, rule->text, "rubbish after the bracket");
      *bracket = '\0';
      memmove (pattern, pattern + 1, strlen (pattern));
    }
  else if (colon != NULL && strchr (pattern, ':') != colon)
    colon = NULL; /* a bare v6 address or range */

  if (colon == NULL)
    return TRUE;
  *colon = '\0';
  if (g_str_equal (colon + 1, "*"))
    rule->any_port = TRUE;
  else if (colon[1] == '0' || !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
    return bad_rule (error, rule->text, "the port is not a decimal from 1 to 65535 or *");
  else
    rule->port = (guint16) port;
  return TRUE;
}

static gboolean
parse_pattern (CreelRule *rule, const char *word, GError **error)
{
  g_autofree char *pattern = NULL;
  g_autoptr (GError) why = NULL;
  const char *base;

  if (g_str_has_prefix (word, "tcp://"))
    {
      rule->tcp = TRUE;
      word += strlen ("tcp://");
    }
  else if (strstr (word, "://") != NULL)
    return bad_rule (error, rule->text, "write a host without http:// or https://");
  pattern = g_strdup (word);
  if (!parse_port_suffix (rule, pattern, error))
    return FALSE;
  if (rule->tcp && rule->port == 0)
    return bad_rule (error, rule->text, "tcp:// needs a port");

  if (g_str_equal (pattern, "*") || g_str_equal (pattern, "**"))
    {
      rule->kind = CREEL_RULE_ANY;
      return TRUE;
    }
  if (strchr (pattern, '/') != NULL)
    {
      rule->kind = CREEL_RULE_CIDR;
      return creel_cidr_parse (pattern, &rule->cidr, error);
    }
  base = pattern;
  rule->kind = CREEL_RULE_EXACT;
  if (g_str_has_prefix (pattern, "**."))
    {
      rule->kind = CREEL_RULE_ANY_LABELS;
      base = pattern + 3;
    }
  else if (g_str_has_prefix (pattern, "*."))
    {
      rule->kind = CREEL_RULE_ONE_LABEL;
      base = pattern + 2;
    }

  g_autoptr (CreelHost) host = creel_host_parse (base, -1, &why);
  if (host == NULL)
    return bad_rule (error, rule->text, why->message);
  if (creel_host_get_address (host) != NULL)
    {
      if (rule->kind != CREEL_RULE_EXACT)
        return bad_rule (error, rule->text, "a star does not go with an address; write a range as 10.0.0.0/8");
      rule->kind = CREEL_RULE_CIDR;
      creel_cidr_from_address (creel_host_get_address (host), &rule->cidr);
      return TRUE;
    }
  rule->name = g_strdup (creel_host_get_text (host));
  if (rule->kind == CREEL_RULE_EXACT && creel_rule_is_localhost_name (host))
    {
      rule->kind = CREEL_RULE_LOCALHOST;
      if (rule->port == 0 && !rule->any_port && rule->verdict != CREEL_VERDICT_DENY)
        rule->port = CREEL_MODEL_RUNNER_PORT;
    }
  return TRUE;
}

static gboolean
is_method (const char *text)
{
  if (*text == '\0' || strlen (text) > 32)
    return FALSE;
  for (; *text != '\0'; text++)
    if (!g_ascii_isupper (*text) && *text != '-')
      return FALSE;
  return TRUE;
}

CreelRule *
creel_rule_parse (CreelVerdict verdict, const char *text, const char *origin, GError **error)
{
  g_autoptr (CreelRule) rule = g_new0 (CreelRule, 1);
  g_autoptr (GPtrArray) methods = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = NULL;
  gboolean seen_pattern = FALSE;

  rule->verdict = verdict;
  rule->text = g_strstrip (g_strdup (text));
  rule->origin = g_strdup (origin);
  if (strlen (rule->text) > RULE_MAX_BYTES || !g_str_is_ascii (rule->text))
    {
      /* an internationalised host is written as xn--, so that what is read is what is meant */
      bad_rule (error, "…", "too long, or not plain ASCII (write an international name in its xn-- form)");
      return NULL;
    }

  words = g_strsplit_set (rule->text, " \t", -1);
  for (char **word = words; *word != NULL; word++)
    {
      if (**word == '\0')
        continue;
      if (!seen_pattern)
        {
          if (!parse_pattern (rule, *word, error))
            return NULL;
          seen_pattern = TRUE;
        }
      else if (**word == '/')
        g_ptr_array_add (paths, g_strdup (*word));
      else
        {
          g_auto (GStrv) list = g_strsplit (*word, ",", -1);

          if (paths->len > 0)
            {
              bad_rule (error, rule->text, "methods go before paths");
              return NULL;
            }
          for (char **method = list; *method != NULL; method++)
            {
              if (!is_method (*method))
                {
                  bad_rule (error, rule->text, "a method is written in capitals (GET,POST), a path starts with /");
                  return NULL;
                }
              g_ptr_array_add (methods, g_strdup (*method));
            }
        }
    }
  if (!seen_pattern)
    {
      bad_rule (error, rule->text, "it names no host");
      return NULL;
    }
  if (rule->tcp && (methods->len > 0 || paths->len > 0))
    {
      bad_rule (error, rule->text, "tcp:// has neither methods nor paths");
      return NULL;
    }
  /* a denial that forgot a port would be no denial */
  if (verdict == CREEL_VERDICT_DENY && rule->port == 0)
    rule->any_port = TRUE;
  if (methods->len > 0)
    {
      g_ptr_array_add (methods, NULL);
      rule->methods = (char **) g_ptr_array_free (g_steal_pointer (&methods), FALSE);
    }
  if (paths->len > 0)
    {
      g_ptr_array_add (paths, NULL);
      rule->paths = (char **) g_ptr_array_free (g_steal_pointer (&paths), FALSE);
    }
  return g_steal_pointer (&rule);
}

gboolean
creel_rule_is_localhost_name (const CreelHost *host)
{
  return g_strv_contains (localhost_names, creel_host_get_text (host));
}

gboolean
creel_rule_matches_host (const CreelRule *rule, const CreelHost *host)
{
  const char *text = creel_host_get_text (host);
  GInetAddress *address = creel_host_get_address (host);
  gsize length, base;

  switch (rule->kind)
    {
    case CREEL_RULE_LOCALHOST:
      return creel_rule_is_localhost_name (host);
    case CREEL_RULE_CIDR:
      return address != NULL && creel_cidr_contains (&rule->cidr, address);
    case CREEL_RULE_ANY:
      if (rule->verdict == CREEL_VERDICT_DENY)
        return TRUE;
      return !creel_rule_is_localhost_name (host) && (address == NULL || creel_address_get_floor (address) == NULL);
    case CREEL_RULE_EXACT:
      return address == NULL && g_str_equal (text, rule->name);
    case CREEL_RULE_ONE_LABEL:
    case CREEL_RULE_ANY_LABELS:
      length = strlen (text);
      base = strlen (rule->name);
      if (address != NULL || length < base + 2 || !g_str_has_suffix (text, rule->name) || text[length - base - 1] != '.')
        return FALSE;
      return rule->kind == CREEL_RULE_ANY_LABELS || memchr (text, '.', length - base - 1) == NULL;
    default:
      return rule->verdict == CREEL_VERDICT_DENY;
    }
}

gboolean
creel_rule_matches_port (const CreelRule *rule, guint16 port)
{
  if (rule->any_port)
    return port != 0;
  if (rule->port != 0)
    return port == rule->port;
  return port == 80 || port == 443;
}

gboolean
creel_rule_matches_scheme (const CreelRule *rule, CreelScheme scheme)
{
  if (scheme == CREEL_SCHEME_UNKNOWN)
    return TRUE;
  if (rule->tcp)
    return scheme == CREEL_SCHEME_TCP;
  return scheme != CREEL_SCHEME_TCP || rule->verdict == CREEL_VERDICT_DENY;
}

gboolean
creel_rule_has_conditions (const CreelRule *rule)
{
  return rule->methods != NULL || rule->paths != NULL;
}

/* `*` is any text without a slash, `**` any text */
static gboolean
glob_match (const char *glob, const char *text)
{
  const char *star = NULL, *star_text = NULL, *deep = NULL, *deep_text = NULL;

  /* two remembered stars suffice: a later `**` makes every earlier one final, a later `*` every `*` before it */
  for (;;)
    {
      if (g_str_has_prefix (glob, "**"))
        {
          glob += 2;
          deep = glob;
          deep_text = text;
          star = NULL;
        }
      else if (*glob == '*')
        {
          glob++;
          star = glob;
          star_text = text;
        }
      else if (*glob != '\0' && *glob == *text)
        {
          glob++;
          text++;
        }
      else if (*glob == '\0' && *text == '\0')
        return TRUE;
      else if (star != NULL && *star_text != '\0' && *star_text != '/')
        {
          glob = star;
          text = ++star_text;
        }
      else if (deep != NULL && *deep_text != '\0')
        {
          glob = deep;
          text = ++deep_text;
          star = NULL;
        }
      else
        return FALSE;
    }
}

/* In small letters. */
static char *
decode (const char *path)
{
  GString *text = g_string_new (NULL);

  for (const char *p = path; *p != '\0'; p++)
    if (*p == '%' && g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2]))
      {
        g_string_append_c (text, (char) (g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2])));
        p += 2;
      }
    else
      g_string_append_c (text, *p);
  g_string_ascii_down (text);
  return g_string_free (text, FALSE);
}

/* In place: "/a;x/b;y" is "/a/b". */
static void
cut_parameters (char *path)
{
  char *to = path;
  gboolean cut = FALSE;

  for (const char *from = path; *from != '\0'; from++)
    {
      cut = *from == ';' || (cut && *from != '/');
      if (!cut)
        *to++ = *from;
    }
  *to = '\0';
}

/* A server decodes what need not be encoded (RFC 3986 section 2.2 lets it), some cut parameters off, and some know no case: what is not permitted whatever way it is
 * written is asked about as they would read it. The request itself is sent as it came, since to others %2B and + are two things. */
static gboolean
glob_match_read (const char *glob, const char *path)
{
  g_autofree char *read_glob = decode (glob), *read = decode (path);

  if (glob_match (read_glob, read))
    return TRUE;
  cut_parameters (read);
  return glob_match (read_glob, read);
}

gboolean
creel_rule_matches_request (const CreelRule *rule, const char *method, const char *path)
{
  if (rule->methods != NULL && !g_strv_contains ((const char *const *) rule->methods, method))
    return FALSE;
  if (rule->paths == NULL)
    return TRUE;
  for (char **glob = rule->paths; *glob != NULL; glob++)
    if (glob_match (*glob, path) || (rule->verdict != CREEL_VERDICT_ALLOW && glob_match_read (*glob, path)))
      return TRUE;
  return FALSE;
}
