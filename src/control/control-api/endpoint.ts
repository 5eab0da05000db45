/** A request to one endpoint of the Control API. */
export interface ControlRequest {
  /** What follows the endpoint's own path, decoded, without empty segments at the end: `["1"]` for `/v1/route/1`. */
  readonly rest: readonly string[];
  readonly query: URLSearchParams;
  /** The whole body as text; `""` where there is none. */
  readonly body: string;
  /** Whether a browser asks: `Accept` has `text/html`. */
  readonly wantsPage: boolean;
}

/** What is answered: an object as JSON, a string as `text/plain` or as what `type` says. */
export interface ControlAnswer {
  readonly status: number;
  readonly body: object | string;
  /** `Content-Type` of a string. */
  readonly type?: string;
}

/** A page for a browser. */
export const page = (html: string): ControlAnswer => ({ status: 200, body: html, type: "text/html; charset=utf-8" });

/** One thing that the Control API can be asked. */
export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT";
  /** `/v1/routes`; with a slash at its end for everything below, as in `/v1/route/`. */
  readonly path: string;
  answer(request: ControlRequest): ControlAnswer | Promise<ControlAnswer>;
}

/** A refusal in APISIX's form. */
export function refuse(status: number, error: string, more: object = {}): ControlAnswer {
  return { status, body: { error_msg: error, ...more } };
}
