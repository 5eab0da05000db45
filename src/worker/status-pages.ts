import { STATUS_CODES } from "node:http";

/** nginx's names where they differ from the registered ones. */
const nginxNames: Readonly<Record<number, string>> = {
  408: "Request Time-out",
  413: "Request Entity Too Large",
  414: "Request-URI Too Large",
  416: "Requested Range Not Satisfiable",
  503: "Service Temporarily Unavailable",
  504: "Gateway Time-out",
};

/** The reason phrase of a status line, with its blank; `""` for an unknown status. */
export function reasonPhrase(status: number): string {
  const reason = nginxNames[status] ?? STATUS_CODES[status];
  return reason === undefined ? "" : ` ${reason}`;
}

/** The page that nginx shows for a status, `detail` in it where there is more to say. */
export function statusPage(status: number, server: string, detail = ""): string {
  const name = `${status}${reasonPhrase(status)}`;
  const more = detail === "" ? "" : `<center>${detail}</center>\r\n`;
  return (
    `<html>\r\n<head><title>${detail === "" ? name : `${status} ${detail}`}</title></head>\r\n<body>\r\n` +
    `<center><h1>${name}</h1></center>\r\n${more}<hr><center>${server}</center>\r\n` +
    `<p><em>Powered by Turnpike.</em></p></body>\r\n</html>\r\n`
  );
}
