/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of ProxyConfig: istio.io/api v1.31, mesh/v1alpha1/proxy.proto and what it includes. */
#include "machine/proto.h"

#include <stddef.h>

#define END                                                                                        \
    {                                                                                              \
        NULL, PROTO_STRING, 0, NULL, NULL                                                          \
    }
#define STRING(n)                                                                                  \
    {                                                                                              \
        n, PROTO_STRING, 0, NULL, NULL                                                             \
    }
#define STRINGS(n)                                                                                 \
    {                                                                                              \
        n, PROTO_STRING, PROTO_LIST, NULL, NULL                                                    \
    }
#define TEXT_MAP(n)                                                                                \
    {                                                                                              \
        n, PROTO_STRING, PROTO_MAP, NULL, NULL                                                     \
    }
#define BOOL(n)                                                                                    \
    {                                                                                              \
        n, PROTO_BOOL, 0, NULL, NULL                                                               \
    }
#define INT32(n)                                                                                   \
    {                                                                                              \
        n, PROTO_INT32, 0, NULL, NULL                                                              \
    }
#define UINT32(n)                                                                                  \
    {                                                                                              \
        n, PROTO_UINT32, 0, NULL, NULL                                                             \
    }
#define DURATION(n)                                                                                \
    {                                                                                              \
        n, PROTO_DURATION, 0, NULL, NULL                                                           \
    }
#define BOOL_VALUE(n)                                                                              \
    {                                                                                              \
        n, PROTO_BOOL, PROTO_KEPT, NULL, NULL                                                      \
    }
#define INT_VALUE(n)                                                                               \
    {                                                                                              \
        n, PROTO_INT32, PROTO_KEPT, NULL, NULL                                                     \
    }
#define LONG_VALUE(n)                                                                              \
    {                                                                                              \
        n, PROTO_INT64, PROTO_KEPT, NULL, NULL                                                     \
    }
#define ENUM(n, v)                                                                                 \
    {                                                                                              \
        n, PROTO_ENUM, 0, NULL, v                                                                  \
    }
#define MESSAGE(n, m)                                                                              \
    {                                                                                              \
        n, PROTO_MESSAGE, 0, m, NULL                                                               \
    }
#define ONE(n, m)                                                                                  \
    {                                                                                              \
        n, PROTO_MESSAGE, PROTO_ONEOF, m, NULL                                                     \
    }

/* --- ReadinessProbe --- */

static const struct proto_field http_header[] = {STRING("name"), STRING("value"), END};
static const struct proto_field http_get[] = {
    STRING("path"),
    UINT32("port"),
    STRING("host"),
    STRING("scheme"),
    {"http_headers", PROTO_MESSAGE, PROTO_LIST, http_header, NULL},
    END};
static const struct proto_field tcp_socket[] = {STRING("host"), UINT32("port"), END};
static const struct proto_field exec_probe[] = {STRINGS("command"), END};
static const struct proto_field grpc_probe[] = {UINT32("port"), STRING("service"), END};

const struct proto_field proto_readiness_probe[] = {
    INT32("initial_delay_seconds"), INT32("timeout_seconds"),
    INT32("period_seconds"),        INT32("success_threshold"),
    INT32("failure_threshold"),     ONE("http_get", http_get),
    ONE("tcp_socket", tcp_socket),  ONE("exec", exec_probe),
    ONE("grpc", grpc_probe),        END};

/* --- how another server is reached --- */

static const struct proto_value tls_modes[] = {
    {"DISABLE", 0}, {"SIMPLE", 1}, {"MUTUAL", 2}, {"ISTIO_MUTUAL", 3}, {NULL, 0}};
static const struct proto_field tls_settings[] = {ENUM("mode", tls_modes),
                                                  STRING("client_certificate"),
                                                  STRING("private_key"),
                                                  STRING("ca_certificates"),
                                                  STRING("credential_name"),
                                                  STRINGS("subject_alt_names"),
                                                  STRING("sni"),
                                                  BOOL_VALUE("insecure_skip_verify"),
                                                  STRING("ca_crl"),
                                                  END};
static const struct proto_field tcp_keepalive[] = {UINT32("probes"), DURATION("time"),
                                                   DURATION("interval"), END};
static const struct proto_field remote_service[] = {STRING("address"),
                                                    MESSAGE("tls_settings", tls_settings),
                                                    MESSAGE("tcp_keepalive", tcp_keepalive), END};

/* --- Tracing --- */

static const struct proto_field address_only[] = {STRING("address"), END};
static const struct proto_field lightstep[] = {STRING("address"), STRING("access_token"), END};
static const struct proto_field stackdriver[] = {
    BOOL("debug"), LONG_VALUE("max_number_of_attributes"), LONG_VALUE("max_number_of_annotations"),
    LONG_VALUE("max_number_of_message_events"), END};
static const struct proto_value trace_contexts[] = {{"UNSPECIFIED", 0}, {"W3C_TRACE_CONTEXT", 1},
                                                    {"GRPC_BIN", 2},    {"CLOUD_TRACE_CONTEXT", 3},
                                                    {"B3", 4},          {NULL, 0}};
static const struct proto_field open_census[] = {
    STRING("address"), {"context", PROTO_ENUM, PROTO_LIST, NULL, trace_contexts}, END};
static const struct proto_field tag_literal[] = {STRING("value"), END};
static const struct proto_field tag_source[] = {STRING("name"), STRING("default_value"), END};
static const struct proto_field custom_tag[] = {
    ONE("literal", tag_literal), ONE("environment", tag_source), ONE("header", tag_source), END};
static const struct proto_field tracing[] = {
    ONE("zipkin", address_only),
    ONE("lightstep", lightstep),
    ONE("datadog", address_only),
    ONE("stackdriver", stackdriver),
    ONE("open_census_agent", open_census),
    {"custom_tags", PROTO_MESSAGE, PROTO_MAP, custom_tag, NULL},
    UINT32("max_path_tag_length"),
    {"sampling", PROTO_DOUBLE, 0, NULL, NULL},
    MESSAGE("tls_settings", tls_settings),
    BOOL_VALUE("enable_istio_tags"),
    END};

/* --- headers and connections --- */

static const struct proto_field nothing[] = {END};
static const struct proto_value cert_details[] = {{"UNDEFINED", 0},
                                                  {"SANITIZE", 1},
                                                  {"FORWARD_ONLY", 2},
                                                  {"APPEND_FORWARD", 3},
                                                  {"SANITIZE_SET", 4},
                                                  {"ALWAYS_FORWARD_ONLY", 5},
                                                  {NULL, 0}};
static const struct proto_field topology[] = {UINT32("num_trusted_proxies"),
                                              ENUM("forward_client_cert_details", cert_details),
                                              MESSAGE("proxy_protocol", nothing), END};
static const struct proto_field disabled[] = {BOOL_VALUE("disabled"), END};
static const struct proto_field enabled[] = {BOOL_VALUE("enabled"), END};
static const struct proto_field server_header[] = {BOOL_VALUE("disabled"), STRING("value"), END};
static const struct proto_value exchange_modes[] = {{"UNDEFINED", 0}, {"IN_MESH", 1}, {NULL, 0}};
static const struct proto_field exchange[] = {ENUM("mode", exchange_modes), END};
static const struct proto_field current_details[] = {BOOL_VALUE("subject"), BOOL_VALUE("cert"),
                                                     BOOL_VALUE("chain"),   BOOL_VALUE("dns"),
                                                     BOOL_VALUE("uri"),     END};
static const struct proto_field proxy_headers[] = {
    ENUM("forwarded_client_cert", cert_details),
    MESSAGE("set_current_client_cert_details", current_details),
    MESSAGE("request_id", disabled),
    MESSAGE("server", server_header),
    MESSAGE("attempt_count", disabled),
    MESSAGE("envoy_debug_headers", disabled),
    MESSAGE("metadata_exchange_headers", exchange),
    BOOL_VALUE("preserve_http1_header_case"),
    MESSAGE("x_forwarded_host", enabled),
    MESSAGE("x_forwarded_port", enabled),
    END};
static const struct proto_value profiles[] = {{"SIDECAR", 0}, {"EDGE", 1}, {NULL, 0}};
static const struct proto_value underscores[] = {{"HEADERS_WITH_UNDERSCORES_UNSPECIFIED", 0},
                                                 {"HEADERS_WITH_UNDERSCORES_ALLOW", 1},
                                                 {"HEADERS_WITH_UNDERSCORES_REJECT_REQUEST", 2},
                                                 {"HEADERS_WITH_UNDERSCORES_DROP_HEADER", 3},
                                                 {NULL, 0}};
static const struct proto_value slashes[] = {{"PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED", 0},
                                             {"KEEP_UNCHANGED", 1},
                                             {"REJECT_REQUEST", 2},
                                             {"UNESCAPE_AND_REDIRECT", 3},
                                             {"UNESCAPE_AND_FORWARD", 4},
                                             {NULL, 0}};
static const struct proto_field connection_settings[] = {
    ENUM("profile", profiles),
    INT_VALUE("listener_per_connection_buffer_limit_bytes"),
    INT_VALUE("cluster_per_connection_buffer_limit_bytes"),
    DURATION("http_idle_timeout"),
    DURATION("http_max_connection_duration"),
    DURATION("http_drain_timeout"),
    DURATION("http_request_timeout"),
    DURATION("http_request_headers_timeout"),
    DURATION("http_stream_idle_timeout"),
    DURATION("http_max_stream_duration"),
    INT_VALUE("http_max_concurrent_streams"),
    INT_VALUE("http2_initial_stream_window_size"),
    INT_VALUE("http2_initial_connection_window_size"),
    ENUM("http_headers_with_underscores_action", underscores),
    BOOL_VALUE("http_merge_slashes"),
    ENUM("http_path_with_escaped_slashes_action", slashes),
    INT_VALUE("listener_connection_limit"),
    INT_VALUE("global_downstream_connection_limit"),
    END};

/* --- ProxyConfig --- */

static const struct proto_value auth_policies[] = {
    {"NONE", 0}, {"MUTUAL_TLS", 1}, {"INHERIT", 1000}, {NULL, 0}};
static const struct proto_value interception_modes[] = {
    {"REDIRECT", 0}, {"TPROXY", 1}, {"NONE", 2}, {NULL, 0}};
static const struct proto_value service_names[] = {{"APP_LABEL_AND_NAMESPACE", 0},
                                                   {"CANONICAL_NAME_ONLY", 1},
                                                   {"CANONICAL_NAME_AND_NAMESPACE", 2},
                                                   {NULL, 0}};
static const struct proto_field sds[] = {BOOL("enabled"), STRING("k8s_sa_jwt_path"), END};
static const struct proto_field stats_matcher[] = {STRINGS("inclusion_prefixes"),
                                                   STRINGS("inclusion_suffixes"),
                                                   STRINGS("inclusion_regexps"), END};
static const struct proto_field image[] = {STRING("image_type"), END};
static const struct proto_field key_accelerator[] = {DURATION("poll_delay"), BOOL_VALUE("fallback"),
                                                     END};
static const struct proto_field key_provider[] = {ONE("cryptomb", key_accelerator),
                                                  ONE("qat", key_accelerator), END};

const struct proto_field proto_proxy_config[] = {
    STRING("config_path"),
    STRING("binary_path"),
    {"service_cluster", PROTO_STRING, PROTO_ONEOF, NULL, NULL},
    {"tracing_service_name", PROTO_ENUM, PROTO_ONEOF, NULL, service_names},
    DURATION("drain_duration"),
    STRING("discovery_address"),
    DURATION("discovery_refresh_delay"),
    STRING("zipkin_address"),
    STRING("statsd_udp_address"),
    STRING("envoy_metrics_service_address"),
    INT32("proxy_admin_port"),
    STRING("availability_zone"),
    ENUM("control_plane_auth_policy", auth_policies),
    STRING("custom_config_file"),
    INT32("stat_name_length"),
    INT_VALUE("concurrency"),
    STRING("proxy_bootstrap_template_path"),
    ENUM("interception_mode", interception_modes),
    MESSAGE("tracing", tracing),
    MESSAGE("sds", sds),
    MESSAGE("envoy_access_log_service", remote_service),
    MESSAGE("envoy_metrics_service", remote_service),
    TEXT_MAP("proxy_metadata"),
    TEXT_MAP("runtime_values"),
    INT32("status_port"),
    STRINGS("extra_stat_tags"),
    MESSAGE("gateway_topology", topology),
    DURATION("termination_drain_duration"),
    STRING("mesh_id"),
    MESSAGE("readiness_probe", proto_readiness_probe),
    MESSAGE("proxy_stats_matcher", stats_matcher),
    BOOL_VALUE("hold_application_until_proxy_starts"),
    STRINGS("ca_certificates_pem"),
    MESSAGE("image", image),
    MESSAGE("private_key_provider", key_provider),
    MESSAGE("proxy_headers", proxy_headers),
    DURATION("file_flush_interval"),
    UINT32("file_flush_min_size_kb"),
    BOOL_VALUE("stats_compression"),
    MESSAGE("connection_settings", connection_settings),
    END};
