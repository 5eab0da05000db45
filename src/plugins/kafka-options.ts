import type { KafkaConfig, SASLOptions } from "kafkajs";

/** Where Kafka is, as plugins are configured. */
export interface KafkaConf {
  readonly brokers?: readonly {
    readonly host: string;
    readonly port: number;
    readonly sasl_config?: SaslConf;
  }[];
  readonly broker_list?: Readonly<Record<string, number>>;
  /** Seconds. */
  readonly timeout: number;
  readonly ssl: boolean;
  readonly ssl_verify: boolean;
  /** Seconds. */
  readonly meta_refresh_interval: number;
}

interface SaslConf {
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly user: string;
  readonly password: string;
}

/** `kafkajs`'s level for saying nothing: what fails is told to who waits for it. */
const NO_LOG = 0;

/** Addresses of brokers; throws where there is none. */
export function brokersOf({ brokers, broker_list: list }: Pick<KafkaConf, "brokers" | "broker_list">): string[] {
  const addresses =
    brokers === undefined
      ? Object.entries(list ?? {}).map(([host, port]) => addressOf(host, port))
      : brokers.map(({ host, port }) => addressOf(host, port));
  if (addresses.length === 0) throw new Error("brokers: there is none");
  return addresses;
}

const addressOf = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** What the library's client and producer are made with. */
export function kafkaOptions(conf: KafkaConf): {
  readonly client: KafkaConfig & { readonly retry: NonNullable<KafkaConfig["retry"]> };
  readonly metadataMaxAge: number;
} {
  const timeoutMs = conf.timeout * 1_000;
  const sasl = conf.brokers?.find((broker) => broker.sasl_config !== undefined)?.sasl_config;
  return {
    client: {
      clientId: "turnpike",
      brokers: brokersOf(conf),
      ssl: conf.ssl ? { rejectUnauthorized: conf.ssl_verify } : false,
      ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
      connectionTimeout: timeoutMs,
      authenticationTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      enforceRequestTimeout: true,
      logLevel: NO_LOG,
      // For a leader that moved; a broker that is away is the matter of batches.
      retry: { retries: 1, initialRetryTime: 100, maxRetryTime: 500 },
    },
    metadataMaxAge: conf.meta_refresh_interval * 1_000,
  };
}

function saslOptions({ mechanism, user: username, password }: SaslConf): SASLOptions {
  const credentials = { username, password };
  if (mechanism === "PLAIN") return { mechanism: "plain", ...credentials };
  return { mechanism: mechanism === "SCRAM-SHA-256" ? "scram-sha-256" : "scram-sha-512", ...credentials };
}
