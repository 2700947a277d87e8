/* Waiting calls by key; see waiters.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "waiters.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 256 };

struct waiter {
    struct waiter *next;
    char key[CS_UUID_TEXT];
    pthread_cond_t woken;
    unsigned news; /* since the last wait */
    void *payload; /* owned */
    size_t len;
    void *shown; /* what the owner was given */
    size_t shown_len;
};

struct waiters {
    pthread_mutex_t lock; /* guards the lists and every waiter in them */
    struct waiter *buckets[BUCKETS];
};

struct waiters *waiters_new(void)
{
    struct waiters *w = cs_calloc(1, sizeof(*w));
    if (w != NULL)
        pthread_mutex_init(&w->lock, NULL);
    return w;
}

void waiters_free(struct waiters *w)
{
    if (w != NULL)
        pthread_mutex_destroy(&w->lock);
    cs_free(w);
}

static size_t bucket_of(const char *key)
{
    unsigned h = 5381;
    for (; *key != '\0'; key++)
        h = h * 33 + (unsigned char)*key;
    return h % BUCKETS;
}

struct waiter *waiter_new(struct waiters *w, const char *key)
{
    pthread_condattr_t attr;
    struct waiter *me = cs_calloc(1, sizeof(*me));
    if (me == NULL || strlen(key) >= sizeof(me->key)) {
        cs_free(me);
        return NULL;
    }
    memcpy(me->key, key, strlen(key) + 1);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&me->woken, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&w->lock);
    me->next = w->buckets[bucket_of(key)];
    w->buckets[bucket_of(key)] = me;
    pthread_mutex_unlock(&w->lock);
    return me;
}

void waiter_free(struct waiters *w, struct waiter *me)
{
    if (me == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    struct waiter **at = &w->buckets[bucket_of(me->key)];
    while (*at != NULL && *at != me)
        at = &(*at)->next;
    if (*at == me)
        *at = me->next;
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&me->woken);
    cs_free(me->payload);
    cs_free(me->shown);
    cs_free(me);
}

bool waiter_wait(struct waiters *w, struct waiter *me, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    for (int rc = 0; me->news == 0 && rc == 0;)
        rc = pthread_cond_timedwait(&me->woken, &w->lock, &until);
    const bool came = me->news > 0;
    me->news = 0;
    if (came) {
        cs_free(me->shown);
        me->shown = me->payload;
        me->shown_len = me->len;
        me->payload = NULL;
        me->len = 0;
    }
    pthread_mutex_unlock(&w->lock);
    return came;
}

struct cs_bytes waiter_last(const struct waiter *me)
{
    return cs_bytes(me->shown, me->shown_len);
}

void waiters_wake(struct waiters *w, const char *key, struct cs_bytes payload)
{
    pthread_mutex_lock(&w->lock);
    for (struct waiter *me = w->buckets[bucket_of(key)]; me != NULL; me = me->next) {
        if (strcmp(me->key, key) != 0)
            continue;
        void *copy = cs_memdup(payload.ptr, payload.len);
        if (copy != NULL) {
            cs_free(me->payload);
            me->payload = copy;
            me->len = payload.len;
        }
        me->news++;
        pthread_cond_signal(&me->woken);
    }
    pthread_mutex_unlock(&w->lock);
}
