/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-policy.h"

/* Adds an Allow rule, GET and HEAD only, for every package archive that this machine itself uses: apt's sources, /etc/npmrc,
 * /etc/xdg/pip/pip.conf, /etc/pip.conf, so that a mirror of a company is used and nothing else; where npm or pip have no setting, the registry and
 * index that they go to themselves. Hosts given as an address or as localhost are left out: they need a rule of their own.
 * What cannot be read adds nothing. */
void creel_archives_add_rules (CreelPolicy *policy);
/* The same archives as variables for npm and pip in a guest, KEY=VALUE: NPM_CONFIG_REGISTRY, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL,
 * PIP_TRUSTED_HOST. Passwords in the addresses are left out. Owned by the caller. */
char **creel_archives_environment (void);
