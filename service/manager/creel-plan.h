/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a build shall do, as the worker that read the Containerfile tells it. The worker has read a file of anybody's: what it
 * says is checked, word by word, before it becomes part of a command. Fuzzed with creel-worker-lines. */
typedef enum
{
  CREEL_PLAN_RUN,
  CREEL_PLAN_COPY,
  CREEL_PLAN_ENV,
  CREEL_PLAN_ARG,
  CREEL_PLAN_WORKDIR,
  CREEL_PLAN_USER,
  CREEL_PLAN_CMD,
  CREEL_PLAN_ENTRYPOINT,
  CREEL_PLAN_N_KINDS
} CreelPlanKind;

#define CREEL_PLAN_MAX_STEPS 1000

typedef struct
{
  CreelPlanKind kind;
  guint line;   /* in the Containerfile */
  char **words; /* RUN, CMD, ENTRYPOINT: argv; COPY: sources; else one */
  char *owner;  /* COPY: USER[:GROUP] */
  char *mode;   /* COPY: octal or "-" */
  char *name;   /* COPY: of the one file that shall be `to` itself, or "" */
  char *to;     /* COPY: absolute */
} CreelPlanStep;

typedef struct
{
  char *from; /* NULL until told */
  guint from_line;
  GPtrArray *steps; /* CreelPlanStep */
} CreelPlan;

CreelPlan *creel_plan_new (void);
void creel_plan_free (CreelPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelPlan, creel_plan_free)
/* Takes what follows "from " and "step " of a worker's line. FALSE: it is none. */
gboolean creel_plan_take_from (CreelPlan *plan, const char *rest);
gboolean creel_plan_take_step (CreelPlan *plan, const char *rest);

/* The step in one line for people, printable, at most about 100 bytes: "RUN make install". Owned by the caller. */
char *creel_plan_step_describe (const CreelPlanStep *step);
/* Whether it does something in the sandbox; the others only count for those that do, and for the image. */
gboolean creel_plan_step_acts (const CreelPlanStep *step);
