/*
 * Compares candidates on rows that no model had seen, and settles the weights.
 *
 * Candidates are what was asked for, the presets, and each member alone. What was asked for is what
 * is trained; labels, where they exist, may move its weights, and in the preset "lean" a member
 * that does not pay for its CPU is left out. Costs are counted, not measured, so that no clock
 * decides.
 */
#ifndef LW_TRAIN_SELECT_H
#define LW_TRAIN_SELECT_H

#include "train/judge.h"

#define LW_CANDIDATES_MAX (LW_ENSEMBLE_MEMBERS_MAX + 3)
/* Labelled events in the rows judged below which labels do not decide. */
#define LW_SELECT_EVENTS_LEAST 5
/* A member pays if leaving it out changes more than so much of its share of the cost. */
#define LW_SELECT_PAY 0.05

struct lw_candidate {
    char name[64];  /* "full", "lean", the list asked for as "asked", or "knn@patch". */
    bool is_member; /* Alone. */
    bool is_selected;
    double weights[LW_ENSEMBLE_MEMBERS_MAX]; /* Of the plan's members. */
    double cost;                             /* Multiply-adds a vector, views included. */
    struct lw_judgement judgement;
};

struct lw_selection {
    size_t n_candidates;
    struct lw_candidate candidates[LW_CANDIDATES_MAX];
    bool has_labels;                         /* Enough labelled events to decide. */
    double weights[LW_ENSEMBLE_MEMBERS_MAX]; /* Chosen; 0: left out. */
    double worth[LW_ENSEMBLE_MEMBERS_MAX];   /* What leaving one out costs; NaN: not known. */
    bool weights_learned;                    /* By labels. */
    double shrinkage, auc_pr_recipe, auc_pr_labels; /* NaN where labels did not speak. */
    size_t n_events;                                /* Labelled, judged. */
};

/* How a selection is made. */
struct lw_select {
    const struct lw_judge *judge; /* Of the plan: what was asked for, and the presets' members. */
    const double *asked;          /* [n_members] Weights of what was asked for; 0: not in it. */
    const char *asked_name;       /* Of the list asked for: "full", "lean" or its text. */
    bool prunes;                  /* Leave out what does not pay. */
    size_t n_columns;
    uint64_t seed;
    size_t n_threads;
};

/* Multiply-adds that a member takes for one vector, counted at its default options. */
double lw_member_cost(const struct lw_plan_member *member, size_t n_columns);
/* The same of the views. */
double lw_views_cost(size_t n_columns);
/* "class@view" */
void lw_member_name(const struct lw_plan_member *member, char *ret_name, size_t capacity);
/* LW_ENOMEM. The same bits whatever the number of threads. */
enum lw_status lw_select_weights(const struct lw_select *select, struct lw_selection *ret_selection,
                                 struct lw_error *reterr) LW_MUST_USE;

#endif
