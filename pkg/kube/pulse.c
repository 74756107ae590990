/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client_priv.h"

static void on_answer(void *arg, const struct http_result *h)
{
    struct kube_client *c = arg;
    struct kube_pulse *p = &c->pulse;
    p->probe = NULL;
    if (h->fault == HTTP_OK) /* a refusal is a sign of life too */
        kube_pulse_heard(c);
    else if (p->heard_ms <= p->sent_ms)
        http_pool_reset(c->pools[KUBE_CLASS_WATCH]);
    kube_timer_start(p->timer, p->silence_ms);
}

static void on_time(void *arg)
{
    static const struct http_handler handler = {.done = on_answer};
    struct kube_client *c = arg;
    struct kube_pulse *p = &c->pulse;
    int64_t now = clock_ms(c->clock), silent = now - p->heard_ms;
    if (silent < p->silence_ms) {
        kube_timer_start(p->timer, p->silence_ms - silent);
        return;
    }
    if (http_pool_watches_life(c->pools[KUBE_CLASS_WATCH])) {
        kube_timer_start(p->timer, p->silence_ms);
        return;
    }
    struct kube_request q = {.method = "GET", .path = "/version", .timeout_ms = p->timeout_ms};
    p->sent_ms = now;
    p->probe = kube_client_send(c, KUBE_CLASS_WATCH, &q, &handler, c);
}

void kube_pulse_init(struct kube_client *c)
{
    c->pulse = (struct kube_pulse){
        .timer = kube_timer_new(c->loop, on_time, c),
        .silence_ms = KUBE_PULSE_SILENCE_MS,
        .timeout_ms = KUBE_PULSE_TIMEOUT_MS,
    };
}

void kube_pulse_done(struct kube_client *c)
{
    kube_pulse_cancel(c);
    kube_timer_free(c->pulse.timer);
}

void kube_pulse_heard(struct kube_client *c)
{
    c->pulse.heard_ms = clock_ms(c->clock);
}

void kube_pulse_begin(struct kube_client *c)
{
    if (c->pulse.watches++)
        return;
    kube_pulse_heard(c);
    kube_timer_start(c->pulse.timer, c->pulse.silence_ms);
}

void kube_pulse_end(struct kube_client *c)
{
    if (--c->pulse.watches)
        return;
    kube_pulse_cancel(c);
    kube_timer_stop(c->pulse.timer);
}

void kube_pulse_cancel(struct kube_client *c)
{
    struct kube_pulse *p = &c->pulse;
    if (!p->probe)
        return;
    http_cancel(p->probe);
    p->probe = NULL;
    kube_timer_start(p->timer, p->silence_ms);
}
