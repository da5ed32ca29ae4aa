/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-address.h"
#include "creel-policy.h"

/* Inside of CreelRule, for creel-policy only. */
typedef enum
{
  CREEL_RULE_EXACT,
  CREEL_RULE_ONE_LABEL,  /* *.name */
  CREEL_RULE_ANY_LABELS, /* **.name */
  CREEL_RULE_ANY,        /* * or **: any name or public address */
  CREEL_RULE_CIDR,       /* an exact address is a range of one */
  CREEL_RULE_LOCALHOST,
} CreelRuleKind;

struct _CreelRule
{
  CreelVerdict verdict;
  CreelRuleKind kind;
  char *text;
  char *origin;
  char *name;    /* of EXACT, or what follows the stars */
  CreelCidr cidr;
  gboolean approved;
  gboolean tcp;
  gboolean any_port;
  guint16 port;  /* 0 and not any_port: 80 and 443; for a denial without a port any_port is set */
  char **methods; /* NULL: all */
  char **paths;   /* NULL: all */
};

/* Names by which a guest calls services of the host. */
gboolean creel_rule_is_localhost_name (const CreelHost *host);
gboolean creel_rule_matches_host (const CreelRule *rule, const CreelHost *host);
gboolean creel_rule_matches_port (const CreelRule *rule, guint16 port);
gboolean creel_rule_matches_scheme (const CreelRule *rule, CreelScheme scheme);
gboolean creel_rule_has_conditions (const CreelRule *rule);
gboolean creel_rule_matches_request (const CreelRule *rule, const char *method, const char *path);
