/** What the reference says of the attributes that log plugins have in common. */
export const logComments: Readonly<Record<string, string>> = {
  name: "Names the batches in the error log and in metrics.",
  max_retry_count: "Further attempts for a batch that could not be sent; after them it is dropped.",
  retry_delay: "Between two attempts, seconds.",
  buffer_duration: "Age of the oldest entry at which a batch is sent, seconds.",
  inactive_timeout: "A batch to which nothing was added for so long is sent, seconds.",
  batch_max_size: "Entries of a batch.",
  log_format: "What an entry holds instead of everything; see [logging.md](../logging.md).",
  log_format_extra: "Fields that are laid over the full entry.",
  include_req_body: "Whether the body of the request is logged.",
  include_req_body_expr: "Only where this holds.",
  include_resp_body: "Whether the body of the answer is logged.",
  include_resp_body_expr: "Only where this holds.",
  max_req_body_bytes: "A longer body of a request is cut.",
  max_resp_body_bytes: "A longer body of an answer is cut.",
};
