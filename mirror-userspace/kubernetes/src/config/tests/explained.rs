//! What `podmirror explain` prints, word for word.

use super::{istio::TUTORIAL, plan};

#[test]
fn the_tutorial_in_words() {
    assert_eq!(
        plan(TUTORIAL).to_string(),
        "\
VirtualService default/web-service http[0]
  copies requests that come to the pods of service default/web-service with version=v1, every TCP port of the service
  every request
  100 % of them to the pods of service default/web-service with version=v2, the service's port
"
    );
}

#[test]
fn conditions_and_what_is_not_acted_on_in_words() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: ['*.example.com']
  http:
  - match: [{uri: {exact: /health}}]
    route: [{destination: {host: v1}}]
  - match: [{uri: {prefix: /Api}, ignoreUriCase: true, headers: {x-user: {}}}, {method: {regex: PUT|POST}}]
    timeout: 1s
    route: [{destination: {host: v1, port: {number: 8080}}}]
    mirrors:
    - {destination: {host: v2, port: {number: 80}}, percentage: {value: 0.5}}
    - {destination: {host: v1}}
---
apiVersion: v1
kind: Service
metadata: {name: v1}
";
    assert_eq!(
        plan(text).to_string(),
        "\
VirtualService default/web http[1]
  copies requests that come to the pods of service default/v1, service port 8080
  for host *.example.com
  the first of these that holds decides, and nothing else is copied:
    1. the path is \"/health\": not copied
    2. the path starts with \"/Api\" in any case and the header x-user is there: copied
    3. the method matches \"PUT|POST\": copied
  0.5 % of them to the pods of service default/v2, service port 80

Not acted on:
  web.yaml, document 2
    kind: Service is not read
  VirtualService default/web (web.yaml, document 1)
    spec.http[1].timeout: podmirror does not stand in the path of requests
    spec.http[1].mirrors[1].destination: leads back to the pods whose requests are mirrored, default/v1 port 8080
"
    );
    assert_eq!(plan("").to_string(), "Nothing is mirrored.\n");
}
