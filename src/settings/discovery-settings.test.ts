import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { complaints, loadClean } from "./load-fixture.ts";

test("settings of discovery that are incomplete or at odds are errors, with their place", (t) => {
  const found = (text: string): string[] => complaints(t, `discovery:\n${text}`);
  assert.deepEqual(
    found(
      "  dns: {order: [SRV]}\n  consul:\n    servers: ['http://c:8500']\n    default_service: {host: a}\n" +
        "    skip: [a]\n    dump: {path: x}\n  kubernetes:\n    - service: {host: k, port: 6443}\n" +
        "    - {id: a, service: {host: k, port: '6443'}, client: {token: t, token_file: f}, shared: 1m}\n" +
        "    - {id: a, service: {host: '${NO_HOST}', port: 6443}}\n",
    ),
    [
      "6 error discovery.dns: expected servers or resolv_conf",
      "9 error discovery.consul.default_service: expected a mapping with host and port",
      "10 warning discovery.consul.skip: unknown key, ignored",
      "11 warning discovery.consul.dump: has no meaning here and is ignored",
      "13 error discovery.kubernetes[0]: expected an id: there is a list of clusters",
      "14 warning discovery.kubernetes[1].shared: unknown key, ignored",
      "14 error discovery.kubernetes[1].client.token_file: expected token or token_file, not both",
      "15 error discovery.kubernetes[2].service.host: needs the environment variable NO_HOST, which is not set; write the value outside of a pod",
      "15 error discovery.kubernetes[2].id: a is there twice",
    ],
  );
  assert.match(found("  kubernetes: {}\n").join(), /needs the environment variable KUBERNETES_SERVICE_HOST/);
  assert.deepEqual(found("  kubernetes: {service: {host: k, port: 6443}, watch_retry_interval_seconds: x}\n"), [
    '6 error discovery.kubernetes.watch_retry_interval_seconds: found "x", expected a whole number, from 0 to 3600',
  ]);
});

test("proxy_ssl_server_name, charset and discovery reach the settings", (t) => {
  const settings = loadClean(
    t,
    "nginx_config: {http: {proxy_ssl_server_name: false, charset: off}}\ndiscovery:\n" +
      "  dns: {resolv_conf: conf/resolv.conf, order: [A]}\n" +
      "  consul: {servers: ['http://c:8500/'], timeout: {connect: 100, read: 200}, skip_services: [a], default_service: {host: h, port: 1}}\n" +
      "  kubernetes: {service: {host: k, port: '6443'}, watch_timeout_seconds: 240, watch_jitter_seconds: 30, watch_retry_interval_seconds: 5, watch_retry_max_seconds: 1, watch_endpoint_slices: true}\n",
  );
  assert.deepEqual([settings.upstream.serverName, settings.http.charset], [false, null]);
  const { dns, consul, kubernetes } = settings.discovery;
  assert.deepEqual(dns, { servers: null, resolvConf: join(settings.prefix, "conf/resolv.conf"), order: ["A"] });
  assert.deepEqual(
    [consul?.servers, consul?.answerMs, consul?.skipped, consul?.fallback],
    [["http://c:8500"], 300, ["a"], { host: "h", port: 1, weight: 1 }],
  );
  const [cluster] = kubernetes;
  assert.deepEqual(
    [cluster?.port, cluster?.watchSeconds, cluster?.jitterSeconds, cluster?.retryMs, cluster?.maxRetryMs],
    [6443, 240, 30, 5_000, 5_000],
  );
  assert.deepEqual([cluster?.slices, cluster?.verify, cluster?.caFile], [true, false, null]);
});
