/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"
#include "creel-plan.h"

/* The steps of a plan, one after the other, in a sandbox that runs. */
typedef struct _CreelBuildSteps CreelBuildSteps;

typedef struct
{
  const char *sandbox;
  const char *folder; /* what COPY copies from, read as `uid` */
  uid_t uid;
  const CreelPlan *plan;          /* must outlive the steps */
  const CreelImageConfig *base;
  const char *const *environment; /* for RUN, where the base says nothing else; not for the image */
  int output;                     /* borrowed; a stream socket, or -1 */
} CreelBuildSite;

/* Step `number` of `total` begins. */
typedef void (*CreelBuildProgress) (guint number, guint total, const char *text, gpointer user_data);
/* The last callback; the steps are freed afterwards. Errors name line and step. */
typedef void (*CreelBuildStepsDone) (const GError *error, gpointer user_data);

/* Everything of `site` but plan and base is copied. Nothing is called before it returns. */
CreelBuildSteps *creel_build_steps_start (CreelDaemon *daemon, const CreelBuildSite *site, CreelBuildProgress progress,
                                          CreelBuildStepsDone done, gpointer user_data);
/* Ends what runs and frees the steps; nothing is called. */
void creel_build_steps_cancel (CreelBuildSteps *steps);

/* What the plan changes in the configuration of its base, as a worker that saves takes it: KEY=VALUE. Owned by the caller. */
char **creel_build_steps_changes (const CreelPlan *plan);
