/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-policy.h"

#include <string.h>

#include "creel-archives.h"
#include "creel-config.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-rule.h"

struct _CreelPolicy
{
  gatomicrefcount ref_count;
  CreelVerdict default_verdict;
  GPtrArray *rules;
};

static const char *const verdict_names[] = { "deny", "ask", "allow" };

const char *
creel_verdict_get_name (CreelVerdict verdict)
{
  return verdict_names[MIN (verdict, CREEL_VERDICT_ALLOW)];
}

gboolean
creel_verdict_parse (const char *name, CreelVerdict *ret_verdict)
{
  for (guint i = 0; i < G_N_ELEMENTS (verdict_names); i++)
    if (g_str_equal (name, verdict_names[i]))
      {
        *ret_verdict = i;
        return TRUE;
      }
  return FALSE;
}

CreelPolicy *
creel_policy_new (CreelVerdict default_verdict)
{
  CreelPolicy *policy = g_new0 (CreelPolicy, 1);

  g_atomic_ref_count_init (&policy->ref_count);
  policy->default_verdict = default_verdict;
  policy->rules = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_rule_free);
  return policy;
}

CreelPolicy *
creel_policy_ref (CreelPolicy *policy)
{
  g_atomic_ref_count_inc (&policy->ref_count);
  return policy;
}

void
creel_policy_unref (CreelPolicy *policy)
{
  if (policy == NULL || !g_atomic_ref_count_dec (&policy->ref_count))
    return;
  g_ptr_array_unref (policy->rules);
  g_free (policy);
}

void
creel_policy_take_rule (CreelPolicy *policy, CreelRule *rule)
{
  g_ptr_array_add (policy->rules, rule);
}

static gboolean
add_line (CreelPolicy *policy, char *line, const char *origin, GError **error)
{
  char *equals = strchr (line, '=');
  CreelVerdict verdict;
  CreelRule *rule;

  if (g_str_equal (line, "[Policy]"))
    return TRUE;
  if (equals != NULL)
    {
      *equals = '\0';
      g_strchomp (line);
      g_strchug (equals + 1);
    }
  if (equals != NULL && g_str_equal (line, "Default"))
    {
      if (!creel_verdict_parse (equals + 1, &verdict) || verdict == CREEL_VERDICT_ASK)
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s: Default= is allow or deny", origin);
          return FALSE;
        }
      /* who wants to be asked is asked, with every preset */
      if (policy->default_verdict != CREEL_VERDICT_ASK)
        policy->default_verdict = verdict;
      return TRUE;
    }
  if (equals != NULL && g_str_equal (line, "Allow"))
    verdict = CREEL_VERDICT_ALLOW;
  else if (equals != NULL && g_str_equal (line, "Ask"))
    verdict = CREEL_VERDICT_ASK;
  else if (equals != NULL && g_str_equal (line, "Deny"))
    verdict = CREEL_VERDICT_DENY;
  else
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s: “%s” is not known here", origin, line);
      return FALSE;
    }
  rule = creel_rule_parse (verdict, equals + 1, origin, error);
  if (rule == NULL)
    {
      g_prefix_error (error, "%s: ", origin);
      return FALSE;
    }
  creel_policy_take_rule (policy, rule);
  return TRUE;
}

gboolean
creel_policy_add_text (CreelPolicy *policy, const char *text, const char *origin, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *where = g_strdup_printf ("%s:%u", origin, i + 1);

      g_strstrip (lines[i]);
      if (lines[i][0] == '\0' || lines[i][0] == '#' || lines[i][0] == ';')
        continue;
      if (!add_line (policy, lines[i], where, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_file (CreelPolicy *policy, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *origin = g_path_get_basename (path);

  return g_file_get_contents (path, &text, NULL, error) && creel_policy_add_text (policy, text, origin, error);
}

gboolean
creel_policy_add_preset (CreelPolicy *policy, const char *preset, GError **error)
{
  static const char *const known[] = { "locked", "balanced", "open", NULL };
  const char *directory = g_getenv ("CREEL_POLICY_PRESETS");
  g_autofree char *path = NULL;

  if (!g_strv_contains (known, preset))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "“%s” is not a preset; there are locked, balanced and open", preset);
      return FALSE;
    }
  path = g_strdup_printf ("%s/%s.conf", directory != NULL ? directory : CREEL_DATADIR "/policies", preset);
  if (!add_file (policy, path, error))
    return FALSE;
  if (g_str_equal (preset, "balanced"))
    creel_archives_add_rules (policy);
  return TRUE;
}

gboolean
creel_policy_add_ceiling (CreelPolicy *policy, const char *directory, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) why = NULL;
  g_autofree char *path = directory != NULL ? g_strdup (directory) : creel_root_path (CREEL_CONFIG_DIR "/policy.d");
  g_autoptr (GDir) dir = g_dir_open (path, 0, &why);
  g_autoptr (CreelPolicy) ceiling = creel_policy_new (CREEL_VERDICT_DENY);
  const char *name;

  if (dir == NULL)
    {
      if (g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".conf") && name[0] != '.')
      g_ptr_array_add (names, g_build_filename (path, name, NULL));
  for (guint i = 0; i < names->len; i++)
    if (!add_file (ceiling, names->pdata[i], error))
      return FALSE;
  for (guint i = 0; i < ceiling->rules->len; i++)
    {
      CreelRule *rule = ceiling->rules->pdata[i];

      if (rule->verdict != CREEL_VERDICT_DENY)
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s: only Deny= counts here", rule->origin);
          return FALSE;
        }
    }
  while (ceiling->rules->len > 0)
    creel_policy_take_rule (policy, g_ptr_array_steal_index (ceiling->rules, 0));
  return TRUE;
}

void
creel_decision_clear (CreelDecision *decision)
{
  g_clear_pointer (&decision->rule, g_free);
  g_clear_pointer (&decision->origin, g_free);
  g_clear_pointer (&decision->reason, g_free);
  decision->verdict = CREEL_VERDICT_DENY;
  decision->needs_request = decision->conditional = decision->asked = FALSE;
}

/* deny before what was approved before ask before allow */
static gboolean
is_stronger (const CreelRule *rule, const CreelRule *found)
{
  if (found == NULL)
    return TRUE;
  if (rule->approved || found->approved)
    return rule->approved ? found->verdict > CREEL_VERDICT_DENY && !found->approved : rule->verdict == CREEL_VERDICT_DENY;
  return rule->verdict < found->verdict;
}

void
creel_policy_decide (const CreelPolicy *policy, CreelScheme scheme, const CreelHost *host, guint16 port,
                     const char *method, const char *path, CreelDecision *ret_decision)
{
  const CreelRule *found = NULL;
  GInetAddress *address = creel_host_get_address (host);
  CreelDecision decision = { .verdict = CREEL_VERDICT_DENY };

  for (guint i = 0; policy != NULL && i < policy->rules->len; i++)
    {
      const CreelRule *rule = policy->rules->pdata[i];

      if (!creel_rule_matches_host (rule, host) || !creel_rule_matches_port (rule, port) ||
          !creel_rule_matches_scheme (rule, scheme))
        continue;
      if (creel_rule_has_conditions (rule))
        {
          decision.conditional |= rule->verdict != CREEL_VERDICT_DENY;
          if (scheme == CREEL_SCHEME_TCP)
            {
              /* bytes that are not read cannot be told apart: a partial denial denies, a partial permission does not permit */
              if (rule->verdict != CREEL_VERDICT_DENY)
                continue;
            }
          else if (method == NULL || (path == NULL && rule->paths != NULL))
            {
              decision.needs_request = TRUE;
              continue;
            }
          else if (!creel_rule_matches_request (rule, method, path))
            continue;
        }
      if (is_stronger (rule, found))
        found = rule;
    }

  if (found != NULL)
    {
      decision.verdict = found->verdict;
      decision.conditional = creel_rule_has_conditions (found);
      decision.rule = g_strdup (found->text);
      decision.origin = g_strdup (found->origin);
    }
  else if (policy != NULL && policy->default_verdict != CREEL_VERDICT_DENY && scheme != CREEL_SCHEME_TCP &&
           port != 0 && !creel_rule_is_localhost_name (host) &&
           (address == NULL || creel_address_get_floor (address) == NULL))
    decision.verdict = policy->default_verdict;

  /* an unconditional denial is final, whatever the request would be */
  if (found != NULL && found->verdict == CREEL_VERDICT_DENY)
    decision.needs_request = FALSE;
  if (decision.verdict == CREEL_VERDICT_ALLOW)
    decision.reason = g_strdup ("");
  else if (policy == NULL)
    decision.reason = g_strdup (CREEL_REASON_NOT_READY);
  else if (found == NULL && address != NULL && creel_address_get_floor (address) != NULL)
    decision.reason = g_strdup (CREEL_REASON_ADDRESS);
  else
    decision.reason = g_strdup (found != NULL && found->verdict == CREEL_VERDICT_DENY ? CREEL_REASON_RULE
                                                                                      : CREEL_REASON_POLICY);
  *ret_decision = decision;
}

/* Whether a rule opens what it names; one that asks does so only for whom it was asked about, not for a name that leads there. */
static gboolean
opens (const CreelRule *rule, const CreelHost *host, gboolean asked)
{
  return rule->verdict == CREEL_VERDICT_ALLOW ||
         (rule->verdict == CREEL_VERDICT_ASK && asked &&
          (creel_host_get_address (host) != NULL || creel_rule_is_localhost_name (host)));
}

gboolean
creel_policy_address_allowed (const CreelPolicy *policy, const CreelHost *host, GInetAddress *address, guint16 port,
                              gboolean asked, const char **ret_reason)
{
  const char *floor = creel_address_get_floor (address);
  gboolean metadata = creel_address_is_metadata (address);
  gboolean loopback = floor != NULL && g_str_equal (floor, "loopback");
  gboolean named = FALSE;

  for (guint i = 0; policy != NULL && i < policy->rules->len; i++)
    {
      const CreelRule *rule = policy->rules->pdata[i];

      if (!creel_rule_matches_port (rule, port))
        continue;
      if (rule->kind == CREEL_RULE_CIDR && creel_cidr_contains (&rule->cidr, address))
        {
          if (rule->verdict == CREEL_VERDICT_DENY && !creel_rule_has_conditions (rule))
            {
              if (ret_reason != NULL)
                *ret_reason = "denied by a rule for its address";
              return FALSE;
            }
          if (opens (rule, host, asked) && creel_cidr_is_within_floor (&rule->cidr) &&
              (!metadata || creel_cidr_is_single (&rule->cidr)))
            named = TRUE;
        }
      else if (rule->kind == CREEL_RULE_LOCALHOST && opens (rule, host, asked) && loopback &&
               creel_rule_is_localhost_name (host))
        named = TRUE;
    }
  if (policy == NULL || (floor != NULL && !named))
    {
      if (ret_reason != NULL)
        *ret_reason = floor != NULL ? floor : "no policy";
      return FALSE;
    }
  return TRUE;
}

gboolean
creel_policy_own_address_allowed (const CreelPolicy *policy, const CreelHost *host, GInetAddress *address, guint16 port,
                                  gboolean asked)
{
  for (guint i = 0; policy != NULL && i < policy->rules->len; i++)
    {
      const CreelRule *rule = policy->rules->pdata[i];

      if (!opens (rule, host, asked) || !creel_rule_matches_port (rule, port))
        continue;
      if (rule->kind == CREEL_RULE_CIDR && creel_cidr_is_single (&rule->cidr) && creel_cidr_contains (&rule->cidr, address))
        return TRUE;
      if (rule->kind == CREEL_RULE_LOCALHOST && creel_rule_is_localhost_name (host) &&
          g_inet_address_get_is_loopback (address))
        return TRUE;
    }
  return FALSE;
}
