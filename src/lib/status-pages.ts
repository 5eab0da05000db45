/**
 * Reason phrases, as nginx has them where they differ from the registered ones. A table of our
 * own: loading `node:http` for its table would double the time in which a worker starts.
 */
const reasons: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Time-out",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Request Entity Too Large",
  414: "Request-URI Too Large",
  415: "Unsupported Media Type",
  416: "Requested Range Not Satisfiable",
  417: "Expectation Failed",
  418: "I'm a Teapot",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Temporarily Unavailable",
  504: "Gateway Time-out",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  509: "Bandwidth Limit Exceeded",
  510: "Not Extended",
  511: "Network Authentication Required",
};

/** The reason phrase of a status line with the blank before it, which is there in any case (RFC 9112, section 4). */
export function reasonPhrase(status: number): string {
  const reason = reasons[status];
  return reason === undefined ? " " : ` ${reason}`;
}

/** The page that nginx shows for a status, `detail` in it where there is more to say. */
export function statusPage(status: number, server: string, detail = ""): string {
  const name = `${status}${reasonPhrase(status)}`.trim();
  const more = detail === "" ? "" : `<center>${detail}</center>\r\n`;
  return (
    `<html>\r\n<head><title>${detail === "" ? name : `${status} ${detail}`}</title></head>\r\n<body>\r\n` +
    `<center><h1>${name}</h1></center>\r\n${more}<hr><center>${server}</center>\r\n` +
    `<p><em>Powered by Turnpike.</em></p></body>\r\n</html>\r\n`
  );
}
