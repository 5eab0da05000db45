import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, loadClean } from "./load-fixture.ts";
import { type PrometheusConfig, prometheusSettings } from "./prometheus-settings.ts";

test("defaults are APISIX's, and what is not written of an address is filled in", (t) => {
  const { prometheus } = loadClean(t, "");
  assert.deepEqual(prometheus?.listen, { ip: "127.0.0.1", port: 9091 });
  assert.equal(prometheus?.uri, "/apisix/prometheus/metrics");
  assert.equal(prometheus?.prefix, "apisix_");
  assert.deepEqual(prometheus?.buckets.length, 15);
  const text = "plugin_attr: {prometheus: {export_addr: {port: 9099}}}\n";
  const settings = loadClean(t, text);
  assert.deepEqual(settings.prometheus?.listen, { ip: "127.0.0.1", port: 9099 });
  // What the plugin sees is what was written.
  assert.deepEqual(prometheusSettings(settings.pluginAttr["prometheus"] as PrometheusConfig), settings.prometheus);
  assert.equal(loadClean(t, "plugins: [key-auth]\n").prometheus, null);
  assert.equal(loadClean(t, "plugin_attr: {prometheus: {enable_export_server: false}}\n").prometheus?.listen, null);
});

test("buckets are put in order, labels are read", (t) => {
  const metrics = "metrics: {http_status: {extra_labels: [{addr: $upstream_addr}, {host: $host}], expire: 60}}";
  const { prometheus } = loadClean(t, `plugin_attr: {prometheus: {default_buckets: [100, 10, 100], ${metrics}}}\n`);
  assert.deepEqual(prometheus?.buckets, [10, 100]);
  assert.deepEqual(prometheus?.metrics.http_status, {
    extraLabels: [
      { name: "addr", variable: "upstream_addr" },
      { name: "host", variable: "host" },
    ],
    expireMs: 60_000,
  });
});

test("what cannot be is refused by name", (t) => {
  const of = (text: string): string[] =>
    complaints(t, `plugin_attr: {prometheus: {${text}}}\n`).map((line) =>
      line.slice("5 error plugin_attr.prometheus.".length),
    );
  const labels = (text: string): string[] => of(`metrics: {bandwidth: {extra_labels: ${text}}}`);
  const at = "metrics.bandwidth.extra_labels:";
  assert.deepEqual(labels("[{type: $host}]"), [`${at} the label type is there already`]);
  assert.deepEqual(labels("[{a: $host}, {a: $uri}]"), [`${at} the label a is there already`]);
  assert.deepEqual(labels("[{a-b: $host}]"), [`${at} a-b is no name of a label`]);
  assert.deepEqual(labels("[{a: host}]"), [`${at} expected a variable such as $upstream_addr for a`]);
  assert.deepEqual(labels("[{a: 1}]"), [`${at} expected a variable such as $upstream_addr for a`]);
  assert.deepEqual(labels("[{a: $a, b: $b}]"), [
    `${at} expected one label in each entry, as in \`- upstream_addr: $upstream_addr\``,
  ]);
  assert.match(of("export_uri: metrics")[0] ?? "", /^export_uri: found "metrics", expected a path/);
  assert.match(of("metric_prefix: a-b")[0] ?? "", /^metric_prefix: found "a-b", expected the beginning of a name/);
  assert.match(of("max_series: 1")[0] ?? "", /^max_series: found 1, expected a whole number from 10/);
  assert.match(of(`default_buckets: [${Array.from({ length: 65 }, (_, i) => i).join(", ")}]`)[0] ?? "", /at most 64/);
});
