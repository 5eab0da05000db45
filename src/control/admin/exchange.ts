import type { IncomingHttpHeaders } from "node:http";

/** A request to the Admin API after its server has judged address, key and size. */
export interface AdminRequest {
  readonly method: string;
  /** Below `/apisix/admin`, decoded by segment, without empty segments: `["routes", "1"]`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The whole body as text; `""` where there is none. */
  readonly body: string;
  /** Whether a slash of the path came encoded (`%2F`); it has been taken for a separator. */
  readonly encodedSlash?: boolean;
  /** Whether the path ends with a slash. */
  readonly trailingSlash?: boolean;
}

/** What is answered; the server adds CORS headers and the framing. */
export interface AdminAnswer {
  readonly status: number;
  /** An object becomes JSON, a string is sent as it is; `null`: no body. */
  readonly body: object | string | null;
  /** `Content-Type` is `application/json` unless given. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers the requests below one or more first segments of the path; never throws for what a client sent. */
export type AdminHandler = (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>;
