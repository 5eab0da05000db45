/**
 * Configurations of the origin and of the proxies that Turnpike is measured against.
 * The peers get their fair best: kept-alive upstream connections, no access log, and
 * the same headers added as Turnpike adds.
 */

/** An origin: 12 bytes; the same with a head that is never the same under `/vary`; files below `/file`. */
export function originConf(port: number, dir: string): string {
  return `
user root; worker_processes 1; daemon off; pid ${dir}/origin.pid; error_log ${dir}/origin.log crit;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 300s;
  ${temporaryPaths(dir, "o")}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 "hello world\\n"; }
    location /vary { add_header X-Answer $request_id; return 200 "hello world\\n"; }
    location /file { root ${dir}; }
  }
}`;
}

/** nginx as a proxy; `tls`: what its server is to say of certificates. */
export function nginxConf(port: number, origin: number, dir: string, tls = ""): string {
  return `
user root; worker_processes 1; daemon off; pid ${dir}/proxy.pid; error_log ${dir}/proxy.log crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s;
  ${temporaryPaths(dir, "p")}
  upstream origin { server 127.0.0.1:${origin}; keepalive 320; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096${tls === "" ? "" : " ssl"}; ${tls}
    location / {
      proxy_buffers 16 32k; proxy_buffer_size 32k; proxy_busy_buffers_size 256k; proxy_max_temp_file_size 0;
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}`;
}

function temporaryPaths(dir: string, prefix: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${prefix}-${name};`)
    .join(" ");
}

/** HAProxy as a proxy, one thread. */
export function haproxyConf(port: number, origin: number): string {
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  server origin 127.0.0.1:${origin} pool-max-conn 320
`;
}
