/**
 * nginx as an origin: the files of `bodies` under /length/, /chunked/ and /close/; PUT and
 * POST under /up/ store what they are sent in `DIR/up` (POST by way of a second server, as
 * nginx stores for PUT alone).
 */
export function nginxConf(port: number, dir: string, bodies: string): string {
  const files = `alias ${bodies}/; add_header X-Target $request_uri always;`;
  // A filter that may change the text makes nginx give up the length of a file.
  const filtered = "sub_filter_types *; sub_filter 'a text that is nowhere' '';";
  const store = `root ${dir}; dav_methods PUT; add_header X-Target $target always;`;
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/octet-stream;
  client_max_body_size 0;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  keepalive_requests 1000000;
  map $http_x_original $target { "" $request_uri; default $http_x_original; }
  server {
    listen 127.0.0.1:${port} backlog=511;
    location /length/ { ${files} }
    location /chunked/ { ${files} ${filtered} }
    location /close/ { ${files} ${filtered} chunked_transfer_encoding off; }
    location /up/ {
      error_page 418 = @post;
      if ($request_method = POST) { return 418; }
      ${store}
    }
    location @post {
      proxy_method PUT;
      proxy_set_header X-Original $request_uri;
      proxy_pass http://unix:${dir}/store.sock;
    }
  }
  server {
    listen unix:${dir}/store.sock;
    location /up/ { ${store} }
  }
}
`;
}
