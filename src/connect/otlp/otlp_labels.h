/*
 * The labels of OTLP points: some of the resource's attributes, all of the point's.
 *
 * A resource says far more about itself than which one it is. Labels are made of what names it and
 * stays the same as long as it does the same work:
 *
 *     job         service.namespace/service.name, or service.name alone
 *     instance    service.instance.id; without it k8s.pod.name; without it host.name
 *     and, named as any attribute (dots to underscores): service.name only within job,
 *     host.name, deployment.environment.name, deployment.environment,
 *     k8s.cluster.name, k8s.namespace.name, k8s.node.name, k8s.pod.name, k8s.container.name,
 *     k8s.deployment.name, k8s.statefulset.name, k8s.daemonset.name, k8s.job.name, k8s.cronjob.name
 *
 * Values: texts as they are, numbers and truth as text, bytes in base64, arrays and lists as JSON.
 * An empty value is no label. Where two attributes of a point give one label, their values are
 * joined by ";" in the order of the attributes; a label of the resource stands whatever the point
 * says.
 */
#ifndef LW_CONNECT_OTLP_LABELS_H
#define LW_CONNECT_OTLP_LABELS_H

#include "connect/otlp/otlp_name.h"
#include "lapwing/plugin.h"

/* Names and values of one series' labels, each with a terminator. */
#define LW_OTLP_LABEL_BYTES_MAX 4096
/* Arrays and lists within each other, in an attribute's value. */
#define LW_OTLP_VALUE_DEPTH_MAX 16

/* Plain data; labels point into bytes. */
struct lw_otlp_labels {
    struct lw_label labels[LW_LABELS_MAX];
    size_t n;
    size_t n_resource; /* The first of them: the resource's. */
    size_t n_bytes, n_resource_bytes;
    char bytes[LW_OTLP_LABEL_BYTES_MAX];
};

/* No labels. */
void lw_otlp_labels_init(struct lw_otlp_labels *labels);
/* Begin with those of a resource: the message `Resource`; none where n_bytes is 0. LW_EFORMAT: the
 * message is damaged. LW_ETOOLONG, LW_EINVAL as below, LW_ENOMEM. On failure there are none. */
enum lw_status lw_otlp_labels_resource(struct lw_otlp_labels *labels, const void *resource,
                                       size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* Back to those of the resource. */
void lw_otlp_labels_reset(struct lw_otlp_labels *labels);
/*
 * Add those of `KeyValue` messages, each with a field's key and length before it, whatever its
 * number: the attributes as they stand in a point. LW_EFORMAT: damaged. LW_ETOOLONG: more labels,
 * bytes or depth than above. LW_EINVAL: an attribute without a name, or a text with U+0000.
 * LW_ENOMEM. On failure what was added before stays.
 */
enum lw_status lw_otlp_labels_attributes(struct lw_otlp_labels *labels, const void *attributes,
                                         size_t n_bytes, struct lw_error *reterr) LW_MUST_USE;
/* Add one label by its own name. */
enum lw_status lw_otlp_labels_add(struct lw_otlp_labels *labels, const char *name,
                                  struct lw_otlp_text value, struct lw_error *reterr) LW_MUST_USE;

#endif
