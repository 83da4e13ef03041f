#include "trace/fields.h"

#include <string.h>

/* Keep an object until fields_done(); takes the reference. NULL stays NULL. */
static PyObject *
fields_keep(struct fields *fields, PyObject *object)
{
    if (object) {
        fields->kept[fields->n_kept++] = object;
    }
    return object;
}

/* Text that has no UTF-8 (lone surrogates) is shown with question marks. */
static PyObject *
fields_encode(struct fields *fields, PyObject *text)
{
    return fields_keep(fields, PyUnicode_AsEncodedString(text, "utf-8", "replace"));
}

const char *
fields_name(struct fields *fields, PyObject *name)
{
    PyObject *bytes = fields_encode(fields, name);

    return bytes ? PyBytes_AS_STRING(bytes) : NULL;
}

static int
field_set_text(struct fields *fields, struct cj_field *field, PyObject *value)
{
    PyObject *text = PyObject_Str(value), *bytes;

    if (!text) {
        return -1;
    }
    bytes = fields_encode(fields, text);
    Py_DECREF(text);
    if (!bytes) {
        return -1;
    }
    field->kind = CJ_FIELD_TEXT;
    field->text.data = PyBytes_AS_STRING(bytes);
    field->text.size = (size_t)PyBytes_GET_SIZE(bytes);
    return 0;
}

static int
field_set(struct fields *fields, struct cj_field *field, PyObject *value)
{
    if (PyFloat_CheckExact(value)) {
        field->kind = CJ_FIELD_REAL;
        field->real = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    if (PyLong_CheckExact(value)) {
        int overflow;

        field->kind = CJ_FIELD_NUMBER;
        field->number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (!overflow) {
            return 0;
        }
    }
    return field_set_text(fields, field, value);
}

int
fields_take(struct fields *fields, PyObject *dict)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;

    if (dict == Py_None) {
        return 0;
    }
    if (!PyDict_CheckExact(dict)) {
        PyErr_Format(PyExc_TypeError, "fields must be a dict, not %.100s",
                     Py_TYPE(dict)->tp_name);
        return -1;
    }
    while (fields->n < CJ_TRACE_MAX_FIELDS && PyDict_Next(dict, &at, &name, &value)) {
        struct cj_field *field = &fields->items[fields->n];

        /* What str() runs may change the dict. */
        fields_keep(fields, Py_NewRef(name));
        fields_keep(fields, Py_NewRef(value));
        if (!PyUnicode_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "the names of fields must be str");
            return -1;
        }
        field->name = fields_name(fields, name);
        if (!field->name || field_set(fields, field, value) < 0) {
            return -1;
        }
        fields->n++;
    }
    return 0;
}

void
fields_done(struct fields *fields)
{
    for (size_t i = 0; i < fields->n_kept; i++) {
        Py_DECREF(fields->kept[i]);
    }
    fields->n_kept = 0;
}
