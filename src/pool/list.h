/* A ring of links that live in the items themselves: nothing to allocate, nothing to
 * fail.
 *
 *      struct list tasks;                      struct task { struct list link; ... };
 *      list_init(&tasks);
 *      list_append(&tasks, &task->link);
 *      task = LIST_ITEM(list_first(&tasks), struct task, link);
 */

#ifndef POOL_LIST_H
#define POOL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *before;
};

#define LIST_ITEM(list_link, type, member) \
    ((type *)(void *)((char *)(list_link) - offsetof(type, member)))

static inline void
list_init(struct list *list)
{
    list->next = list->before = list;
}

static inline bool
list_is_empty(const struct list *list)
{
    return list->next == list;
}

/* The first link, or NULL. */
static inline struct list *
list_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->next;
}

static inline void
list_append(struct list *list, struct list *link)
{
    link->next = list;
    link->before = list->before;
    list->before->next = link;
    list->before = link;
}

static inline void
list_prepend(struct list *list, struct list *link)
{
    list_append(list->next, link);
}

/* Out of whatever list it is in, if any. */
static inline void
list_remove(struct list *link)
{
    link->before->next = link->next;
    link->next->before = link->before;
    list_init(link);
}

/* All of `from` to the end of `list`. */
static inline void
list_move_all(struct list *list, struct list *from)
{
    struct list *link;

    while ((link = list_first(from))) {
        list_remove(link);
        list_append(list, link);
    }
}

#endif
