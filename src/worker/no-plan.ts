import type { Plan } from "../compile/plan.ts";

/** For requests that are answered before anything was matched. */
export const noPlan: Plan = {
  found: false,
  route: { id: "", name: "", serviceId: "", serviceName: "" },
  rewrite: null,
  access: null,
  beforeProxy: null,
  headerFilter: null,
  bodyFilter: null,
  log: null,
  upstream: null,
  timeout: null,
  enableWebsocket: false,
  consumerRewrite: null,
  bodyUses: null,
  withoutFilters: () => noPlan,
  withConsumer: () => noPlan,
};
