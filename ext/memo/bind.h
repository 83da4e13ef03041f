/* From the arguments of a call to a value for each parameter, by a table that is made
 * once from the function's signature.
 *
 * `f(1, 2)`, `f(1, b=2)` and `f(a=1, b=2)` bind alike, and so do defaults given and not
 * given. Positional arguments beyond the parameters are collected under the name "*",
 * keywords beyond them under "**", when the function takes such. What a callable brings
 * along (a method's object, a partial's arguments) counts as one argument more. */

#ifndef EXT_MEMO_BIND_H
#define EXT_MEMO_BIND_H

#include "compat.h"

/* A function's parameters: positional-only ones first, then those that may be given
 * either way, then keyword-only ones. */
struct bind_table {
    PyObject *names;      /* tuple of str, interned */
    PyObject *defaults;   /* tuple: the default, or `bind_missing` for none */
    PyObject *missing;    /* the object that stands for "no default" */
    PyObject *ignored;    /* frozenset of names whose values are left out */
    PyObject *bound_name; /* str, or None: nothing is brought along */
    PyObject *bound_value;
    Py_ssize_t n_positional_only;
    Py_ssize_t n_positional; /* with the positional-only ones */
    int takes_varargs;
    int takes_keywords;
};

/* What a call came to: names and values in the table's order, ignored ones left out.
 * The names are borrowed from the table; values are owned when `owned` says so. */
struct bind_result {
    PyObject **names;
    PyObject **values;
    size_t n;
    PyObject *varargs;  /* owned tuple, or NULL */
    PyObject *keywords; /* owned dict, or NULL */
    PyObject **heap;    /* room for functions with many parameters */
    PyObject *room[32];
};

/* Outcomes of bind_call() beside 0 and -1 (an exception is set). */
enum bind_outcome {
    BIND_MISMATCH = 1, /* the call does not fit the signature */
};

/* Bind a call in vectorcall form. `star` and `star_star` are the names "*" and "**". */
int bind_call(const struct bind_table *table, PyObject *star, PyObject *star_star,
              PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames,
              struct bind_result *ret_result);

void bind_done(struct bind_result *result);

#endif
