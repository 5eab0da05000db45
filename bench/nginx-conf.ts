/** Configurations of nginx as origin and as the proxy that Turnpike is measured against. */

/** An origin that answers 12 bytes, 100 KiB at `/100k`. */
export function originConf(port: number, dir: string): string {
  return `
user root; worker_processes 1; daemon off; pid ${dir}/origin.pid; error_log ${dir}/origin.log crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${dir}/o1; proxy_temp_path ${dir}/o2;
  fastcgi_temp_path ${dir}/o3; uwsgi_temp_path ${dir}/o4; scgi_temp_path ${dir}/o5;
  server {
    listen 127.0.0.1:${port}; root ${dir};
    location / { return 200 "hello world\\n"; }
    location /100k { try_files /100k =404; }
  }
}`;
}

/** A proxy with what Turnpike does too: kept-alive upstream connections, the same headers, no access log. */
export function proxyConf(port: number, origin: number, dir: string): string {
  return `
user root; worker_processes 1; daemon off; pid ${dir}/proxy.pid; error_log ${dir}/proxy.log crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_temp_path ${dir}/p1; proxy_temp_path ${dir}/p2;
  fastcgi_temp_path ${dir}/p3; uwsgi_temp_path ${dir}/p4; scgi_temp_path ${dir}/p5;
  upstream origin { server 127.0.0.1:${origin}; keepalive 320; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port;
    }
  }
}`;
}
