import { TurnpikeError } from "../../lib/errors.ts";
import { versioned } from "./answer-form.ts";
import { refuse } from "./answers.ts";
import { deleteResource } from "./delete.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminAnswer, AdminHandler, AdminRequest } from "./exchange.ts";
import { parseBody } from "./json-body.ts";
import { parseTtl } from "./lifetime.ts";
import { patchResource } from "./patch.ts";
import { getResource } from "./read.ts";
import { addressOf } from "./resource-address.ts";
import { resourceKind, type ResourceKind } from "./resource-kinds.ts";
import { postResource, putResource } from "./write.ts";

/** Builds the handler of every kind of resources: what begins with `/apisix/admin/<kind>`. */
export function buildResourceHandler(deps: ResourceDeps): AdminHandler {
  return async (request) => {
    const kind = resourceKind(request.path[0] ?? "");
    if (kind === null) return refuse(404, `Unsupported resource type: ${request.path[0]}`);
    if (kind.kind === "stream_routes" && !deps.stream) {
      return refuse(400, "stream mode is disabled, can not add stream routes");
    }
    const body = parseBody(request.body);
    if ("answer" in body) return body.answer;
    const ttl = parseTtl(request.query);
    if (typeof ttl === "string" && request.method !== "GET") return refuse(400, ttl);
    return versioned(await guarded(() => answer(kind, request, body.value)), deps.version);
  };

  async function answer(kind: ResourceKind, request: AdminRequest, body: unknown): Promise<AdminAnswer> {
    if (request.encodedSlash === true) return refuse(400, "an encoded slash (%2F) cannot stand in a path");
    if (kind.kind === "credentials") {
      return refuse(400, "credentials are below their consumer: consumers/<username>/credentials/<id>");
    }
    const address = addressOf(kind, request.path);
    if (address.kind.unsupported.includes(request.method)) {
      return refuse(405, `not supported \`${request.method}\` method for ${address.kind.label}`);
    }
    // Writing or deleting the whole resource is not what somebody who names a part of it means.
    if ((request.method === "PUT" || request.method === "DELETE") && address.subPath.length > 0) {
      return refuse(400, `a path below a resource is for PATCH: /${address.subPath.join("/")}`);
    }
    switch (request.method) {
      case "GET":
        return await getResource(deps, address, request);
      case "PUT":
        return await putResource(deps, address, request, body);
      case "POST":
        return await postResource(deps, address, request, body);
      case "PATCH":
        return await patchResource(deps, address, request, body);
      default:
        return await deleteResource(deps, address, request);
    }
  }
}

/** 503 where the store cannot be reached: what it would have said is not known. */
async function guarded(answer: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof TurnpikeError) return refuse(503, error.detail);
    throw error;
  }
}
