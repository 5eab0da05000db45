/** Alerts (RFC 8446, section 6.2) that are sent here, before a library has taken the connection over. */
export const alerts = {
  unexpectedMessage: 10,
  recordOverflow: 22,
  illegalParameter: 47,
  decodeError: 50,
  internalError: 80,
} as const;

/** The number of an alert. */
export type Alert = (typeof alerts)[keyof typeof alerts];

/** A fatal alert as a record in clear text, which is how a client expects it before the server's hello. */
export function alertRecord(alert: Alert): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, alert]);
}
