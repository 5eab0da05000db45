/** Error codes (RFC 9113, section 7) that are sent from here. */
export const codes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  cancel: 8,
  enhanceYourCalm: 11,
} as const;
